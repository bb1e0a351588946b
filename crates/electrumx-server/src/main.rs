//! The `electrumx-server` binary.

mod allocator;

use std::process::ExitCode;

use electrumx_server::env::Env;
use electrumx_server::{controller, signals, tasks, telemetry};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let env = Env::of_process().unwrap_or_else(|error| error.exit());
    telemetry::init(&env.log);
    match serve(env) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            tracing::error!("{err:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(env: Env) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let stop = CancellationToken::new();
        signals::watch(stop.clone())?;
        tokio::spawn(allocator::give_back());
        match env.task {
            Some(task) => {
                let work = move || tasks::run(task, &env, &stop);
                tokio::task::spawn_blocking(work).await?
            }
            None => controller::run(env, stop).await,
        }
    });
    // A thread that hangs in a system call must not keep the process from ending.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    result
}
