//! The public port: its routes, and who may come in through them.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Request};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hubbub_protocol::{ErrorCode, TenantId};
use ipnet::IpNet;
use tokio::sync::mpsc;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::problem::Problem;
use super::turns::Turns;
use super::{Opening, pages, rooms, sse, websocket};
use crate::admission::{Admission, Gatekeeper, Refused};
use crate::auth::AuthError;
use crate::auth::keys::TokenKeySettings;
use crate::auth::origin::Origins;
use crate::auth::policy::Denied;
use crate::auth::ticket::Tickets;
use crate::session::Services;

/// What the public port of a node works with.
pub struct Public {
    /// What sessions need.
    pub services: Services,
    /// Which pages may open connections.
    pub origins: Arc<Origins>,
    /// Counts connections.
    pub gatekeeper: Arc<Gatekeeper>,
    /// Whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Issues and opens the tickets of SSE streams.
    pub tickets: Tickets,
    /// Whose public channels are read without a token.
    pub anonymous_tenant: ArcSwapOption<TenantId>,
    /// In development mode: the key that signs tokens for everybody who asks.
    pub dev: Option<TokenKeySettings>,
    /// Turns of requests about rooms. Overflow policy: they wait; those of one user are refused.
    pub turns: Turns,
}

/// What handlers of one shard's listener get. Nothing in it belongs to the shard but the way into its intake.
#[derive(Clone)]
pub struct Entry {
    pub(super) intake: mpsc::Sender<Opening>,
    pub(super) public: Arc<Public>,
}

/// Who is at the other end of a connection, put into each request by the listener.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// The place among the handshakes; given back as soon as the connection is something better.
    pub(super) handshake: Arc<Mutex<Option<Admission>>>,
}

/// The routes for one shard.
pub(crate) fn router(intake: mpsc::Sender<Opening>, public: Arc<Public>) -> Router {
    let (dev, body) = (public.dev.is_some(), public.services.limits.frame_bytes);
    let origins = Arc::clone(&public.origins);
    let allowed =
        AllowOrigin::predicate(move |origin: &HeaderValue, _| origins.allows(Some(origin.to_str().unwrap_or(""))));
    let cors = CorsLayer::new().allow_origin(allowed).allow_methods([Method::GET, Method::POST]).allow_headers([
        AUTHORIZATION,
        CONTENT_TYPE,
        HeaderName::from_static("last-event-id"),
        HeaderName::from_static("idempotency-key"),
    ]);
    let mut router = Router::new()
        .route("/ws", get(websocket::upgrade_native))
        .route("/sse", get(sse::open))
        .route("/v1/tickets", post(sse::issue_ticket))
        .route("/v1/rooms/{op}", post(rooms::act).layer(DefaultBodyLimit::max(body)));
    if dev {
        router = router
            .route("/echo", get(websocket::upgrade_echo))
            .route("/dev/token", get(pages::dev_token))
            .fallback(get(pages::page));
    } else {
        router = router.fallback(|| async {
            Problem::new(ErrorCode::NotFound, "there is nothing here; try /ws, /sse, /v1/tickets or /v1/rooms")
        });
    }
    router.layer(cors).with_state(Entry { intake, public })
}

impl Entry {
    /// A browser says which page it is on; others say nothing and bring a token.
    pub(super) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let origin = headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or(""));
        if self.public.origins.allows(origin) {
            return Ok(());
        }
        let detail = "pages of this origin may not connect; the operator can add it to `http.origins`";
        Err(Problem::new(ErrorCode::Forbidden, detail))
    }

    /// Lets the connection in, counted by its real address.
    pub(super) fn admit(&self, request: &Request) -> Result<Admission, Problem> {
        let peer = request.extensions().get::<Peer>();
        let address = peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| self.real_address(peer, request.headers()));
        let admission = self.public.gatekeeper.admit(address, self.public.services.clock.now_ms())?;
        if let Some(peer) = peer {
            drop(peer.handshake.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
        Ok(admission)
    }

    /// The nearest address in `X-Forwarded-For` that is not a proxy of ours; the socket's own when that is not one.
    fn real_address(&self, peer: &Peer, headers: &HeaderMap) -> IpAddr {
        let trusted = |address: &IpAddr| self.public.trusted_proxies.iter().any(|net| net.contains(address));
        let own = peer.address.ip().to_canonical();
        if !trusted(&own) {
            return own;
        }
        let values = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
        let mut real = own;
        for hop in hops.into_iter().rev() {
            let Ok(address) = hop.parse::<IpAddr>() else { break };
            real = address.to_canonical();
            if !trusted(&real) {
                break;
            }
        }
        real
    }
}

/// The address of whoever asks, as it counts for limits.
pub(super) struct Address(pub(super) Option<IpAddr>);

impl FromRequestParts<Entry> for Address {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, entry: &Entry) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<Peer>();
        Ok(Self(peer.map(|peer| entry.real_address(peer, &parts.headers))))
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let code = match refused {
            Refused::Memory { .. } | Refused::Draining | Refused::Full { .. } => ErrorCode::Overloaded,
            Refused::Address { .. } | Refused::Rate { .. } => ErrorCode::RateLimited,
        };
        Self::new(code, refused.to_string()).retry_after(Some(refused.retry_after_ms()))
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        Self::new(error.code(), error.to_string()).retry_after(error.retry_after_ms())
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        Self::new(denied.code(), denied.to_string())
    }
}

/// The bearer token of a request.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// An answer without a body that ends an `EventSource` for good.
pub(super) fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
