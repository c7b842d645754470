//! The connections of the internal API: accepted one by one, bounded in number, HTTP/1.1 with keep-alive.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tower::ServiceExt;

use super::{Api, router};

/// How long a connection may be silent between two requests; above the pause of a scraper.
const IDLE: Duration = Duration::from_secs(75);
/// Largest head of a request, in bytes.
const HEAD_BYTES: usize = 64 * 1024;
/// Pause after the process ran out of files.
const PAUSE: Duration = Duration::from_millis(50);
/// How often the samples of histograms go into their buckets. Without it they pile up until somebody asks for `/metrics`.
const UPKEEP: Duration = Duration::from_secs(5);

/// Serves until the runtime ends. Overflow policy: connections above the limit wait in the kernel.
pub async fn serve(listener: TcpListener, api: Api) {
    let places = Arc::new(Semaphore::new(api.services.limits.api_connections.min(Semaphore::MAX_PERMITS)));
    tokio::spawn(keep_up(api.clone()));
    let router = router(api);
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(converse(stream, router.clone(), place))),
            Err(error) => {
                tracing::warn!(%error, "the internal API could not accept a connection");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, router: Router, place: OwnedSemaphorePermit) {
    // Without it an answer only waits longer.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| router.clone().oneshot(request.map(Body::new)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection of the internal API ended early");
    }
    drop(place);
}

async fn keep_up(api: Api) {
    let mut ticks = interval(UPKEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        api.metrics.run_upkeep();
    }
}
