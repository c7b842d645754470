//! What every request goes through: a limit on its time, the metrics, and the answers where there is no route.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hubbub_protocol::ErrorCode;
use tokio::time::timeout;

use super::Api;
use crate::telemetry::{API_REQUEST_SECONDS, API_REQUESTS};
use crate::transport::problem::Problem;

/// When somebody whose request took too long should try again, in milliseconds.
const SLOW_RETRY_MS: u64 = 1_000;

/// Counts the request and ends the wait for its answer in time. What a publish has begun goes on.
pub(super) async fn bounded(State(api): State<Api>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = method_label(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = timeout(api.timeout(), next.run(request)).await.unwrap_or_else(|_| {
        let detail = format!(
            "the request took longer than {} ms and may have been done; try again with the same key",
            api.timeout().as_millis()
        );
        Problem::new(ErrorCode::Unavailable, detail).retry_after(Some(SLOW_RETRY_MS)).into_response()
    });
    let route = route.as_ref().map_or("none", MatchedPath::as_str).to_owned();
    let status = response.status().as_u16().to_string();
    metrics::histogram!(API_REQUEST_SECONDS, "method" => method, "route" => route.clone())
        .record(began.elapsed().as_secs_f64());
    metrics::counter!(API_REQUESTS, "method" => method, "route" => route, "status" => status).increment(1);
    response
}

/// A caller can make methods up, and each would be a series.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// Where there is no route.
pub(super) async fn no_route(uri: Uri) -> Problem {
    let detail = format!(
        "there is no route `{}`; /openapi.json lists them, and names in a path are percent-encoded (`/` is %2F)",
        uri.path()
    );
    Problem::new(ErrorCode::NotFound, detail)
}

/// Where the route has other methods.
pub(super) async fn no_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("`{}` can not be asked with {method}; the header `allow` names the methods", uri.path());
    Problem::new(ErrorCode::BadRequest, detail).with_status(StatusCode::METHOD_NOT_ALLOWED)
}
