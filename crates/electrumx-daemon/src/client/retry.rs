//! Tries, pauses and failover, the same for every kind of request.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::daemon::Daemon;
use crate::DaemonError;
use crate::backoff::Backoff;
use crate::transport::{Failure, Node, Trouble};

/// Longest pause between rounds over all nodes.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long a caller waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// For a client that waits: every node once, a pause, one more try; never longer than the deadline.
    Bounded,
    /// For the sync path: until the node answers or the work is cancelled.
    Patient,
}

impl Daemon {
    /// Runs `request` on the current node; on another one, or again, when that one is down.
    pub(crate) async fn run<T, F>(
        &self,
        style: Style,
        request: impl Fn(Arc<Node>) -> F,
    ) -> Result<T, DaemonError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        if self.is_none() {
            return Err(DaemonError::NoNode);
        }
        let deadline = self.0.deadline;
        let work = async {
            match style {
                Style::Patient => self.tries(style, request).await,
                Style::Bounded => {
                    match tokio::time::timeout(deadline, self.tries(style, request)).await {
                        Ok(result) => result,
                        Err(_) => Err(Trouble::Silent(deadline).into_error(&self.current().1)),
                    }
                }
            }
        };
        self.0.token.run_until_cancelled(work).await.unwrap_or(Err(DaemonError::Cancelled))
    }

    async fn tries<T, F>(
        &self,
        style: Style,
        request: impl Fn(Arc<Node>) -> F,
    ) -> Result<T, DaemonError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let nodes = self.0.nodes.len();
        // A silent node must leave time for the next one. Patient requests have the timeout of the connection alone.
        let limit = match style {
            Style::Bounded => self.0.deadline.div_f64(nodes as f64),
            Style::Patient => Duration::MAX,
        };
        let (mut failures, mut dropped, mut backoff) = (0, false, Backoff::up_to(LONGEST_PAUSE));
        loop {
            let (index, node) = self.current();
            let result = {
                let _permit = self.lane(style).acquire().await.ok();
                let reply = tokio::time::timeout(limit, request(node.clone())).await;
                reply.unwrap_or(Err(Failure::Down(Trouble::Silent(limit))))
            };
            let trouble = match result {
                Err(Failure::Down(trouble)) => trouble,
                answer => {
                    self.0.answered.store(true, Ordering::Relaxed);
                    self.0.trouble.end(&node);
                    return answer.map_err(|failure| match failure {
                        Failure::Answer(error) => error,
                        Failure::Down(trouble) => trouble.into_error(&node),
                    });
                }
            };
            // The node closes idle connections; one that was about to be used is no trouble.
            if matches!(trouble, Trouble::Dropped(_)) && !std::mem::replace(&mut dropped, true) {
                continue;
            }
            failures += 1;
            let round_is_over = failures % nodes == 0;
            node.rest.forget().await;
            self.rotate(index);
            // Before the first answer a refused login is a wrong configuration; later the cookie may just be on its way.
            let misconfigured = trouble.is_refused() && !self.0.answered.load(Ordering::Relaxed);
            if misconfigured && round_is_over {
                return Err(trouble.into_error(&node));
            }
            self.0.trouble.begin(&trouble, &node);
            if style == Style::Bounded && failures > nodes {
                return Err(trouble.into_error(&node));
            }
            if round_is_over {
                tokio::time::sleep(backoff.pause()).await;
            }
        }
    }

    fn current(&self) -> (usize, Arc<Node>) {
        let index = self.0.current.load(Ordering::Relaxed) % self.0.nodes.len();
        (index, self.0.nodes[index].clone())
    }

    /// Turns to the next node, unless another caller did so already.
    fn rotate(&self, from: usize) {
        let next = (from + 1) % self.0.nodes.len();
        let _ = self.0.current.compare_exchange(from, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}
