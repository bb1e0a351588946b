//! Reading what a client is about to ask for.
//!
//! A wallet subscribes to all its scripts at once, and its requests are answered one after the other. The first ones are
//! answered while other cores read what the last ones ask for, which are then answered from the caches. Nothing else depends on
//! it: what was not read, or not in time, is read when its turn comes.

use std::sync::Arc;

use electrumx_core::HashX;

use crate::handlers::subscribed_script;
use crate::node::Node;
use crate::reader::{Effort, Reader};
use crate::session::Session;

/// So few scripts are read in less time than it takes to have another thread do it.
const LEAST: usize = 16;

impl<N: Node> Session<N> {
    /// Begins to read what the last of these requests ask for, which came and are yet to be answered.
    ///
    /// Only if they all are subscriptions: a client that asks for the histories in between needs them on one core, and each
    /// entry that comes from another core's cache is as dear as reading it.
    pub(crate) fn look_ahead<'a>(&self, coming: impl Iterator<Item = &'a str> + Clone) {
        // A look at the second tells most others, a lone request among them.
        if coming.clone().nth(1).is_none_or(|text| !text.contains(".subscribe")) {
            return;
        }
        // On a single core there may still be a disk to wait for.
        let cores = self.service.cores.max(2);
        let count = coming.clone().count();
        let own = count.div_ceil(cores);
        let later = count - own;
        if later < LEAST {
            return;
        }
        let mut scripts = coming.skip(own).map_while(|text| subscribed_script(self, text));
        let reader = &self.service.reader;
        let Some(first) = scripts.next().filter(|first| !reader.scripts().has_status(first)) else {
            return;
        };
        let scripts: Vec<HashX> = std::iter::once(first).chain(scripts).collect();
        if scripts.len() < LEAST {
            return;
        }
        for scripts in scripts.chunks(scripts.len().div_ceil(cores - 1).max(LEAST)) {
            reader.foresee(scripts.to_vec());
        }
    }
}

impl Reader {
    /// Brings the statuses of scripts into the cache, unless there is enough to do without.
    fn foresee(self: &Arc<Self>, scripts: Vec<HashX>) {
        let Some(permit) = self.spare_permit() else { return };
        let reader = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let Ok(view) = reader.view() else { return };
            for hashx in &scripts {
                // What is wrong is told to the one who asks.
                let _ = reader.confirmed_status(Effort::Usual, &*view, hashx);
            }
        });
    }
}
