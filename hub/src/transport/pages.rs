//! The pages of development mode, embedded into the binary, and the tokens they ask for.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::Uri;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use hubbub_protocol::{ErrorCode, UserId};
use rust_embed::RustEmbed;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::public::Entry;
use crate::auth::mint::TokenDraft;

/// Only what the page brings itself, and connections to where it came from.
const POLICY: &str =
    "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; frame-ancestors 'self'; base-uri 'none'";

/// How long a development token lives, in seconds.
const TOKEN_S: u64 = 12 * 3_600;

#[derive(RustEmbed)]
#[folder = "../clients/web/dist"]
#[allow_missing = true]
struct Built;

/// A page or one of its files.
pub(super) async fn page(uri: Uri) -> Response {
    let path = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    let file = Built::get(path).or_else(|| Built::get(&format!("{path}.html")));
    let Some(file) = file else {
        let detail = "no such page; the pages are built by `make web` before the hub";
        return Problem::new(ErrorCode::NotFound, detail).into_response();
    };
    // Names of built files hold their hash; pages do not.
    let caching = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (CONTENT_TYPE, file.metadata.mimetype().to_owned()),
        (CACHE_CONTROL, caching.to_owned()),
        (CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (headers, file.data).into_response()
}

#[derive(Deserialize)]
pub(super) struct TokenQuery {
    sub: String,
}

#[derive(Serialize)]
pub(super) struct TokenAnswer {
    token: String,
}

/// `GET /dev/token?sub=…`: a token for whoever one claims to be.
pub(super) async fn dev_token(
    State(entry): State<Entry>,
    Query(TokenQuery { sub }): Query<TokenQuery>,
) -> Result<Json<TokenAnswer>, Problem> {
    let user = UserId::parse(&sub).map_err(|error| Problem::new(ErrorCode::BadRequest, error.to_string()))?;
    let key = entry.public.dev.as_ref().ok_or_else(|| Problem::new(ErrorCode::NotFound, "only in development mode"))?;
    let now_s = entry.public.services.clock.now_ms() / 1_000;
    let token =
        TokenDraft { sub: user.to_string(), iat: now_s, exp: now_s + TOKEN_S, ..TokenDraft::default() }.sign(key);
    let token = token.map_err(|error| Problem::new(ErrorCode::Internal, error.to_string()))?;
    Ok(Json(TokenAnswer { token }))
}
