//! The description of the internal API, made of what stands at its routes: OpenAPI, served at `/openapi.json`.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use hubbub_protocol::ErrorCode;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{OpenApi as _, ToSchema};

use super::Api;
use crate::shard::mail::{ConnectionReport, ShardReport};
use crate::transport::problem::Problem;

/// Everything but the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Hubbub, internal API",
        description = "How services publish into channels, ask about them, and act on users. Times are in milliseconds \
                       since 1970. Every failure is a problem (RFC 9457) with a `code` from the table of the protocol. \
                       Everything is seen and done within the tenant of the API key.",
    ),
    components(schemas(Problem, ConnectionReport, ShardReport)),
    tags(
        (name = "publishing", description = "Sending messages."),
        (name = "channels", description = "Channels, their logs, and who is in them."),
        (name = "users", description = "Connections, users and their tokens."),
        (name = "node", description = "The node, for operators and their tools."),
    ),
)]
struct Beginning;

/// The problems that any route with an API key can answer with.
const COMMON: [(ErrorCode, &str); 8] = [
    (ErrorCode::BadRequest, "The request can not be understood; `detail` says why."),
    (ErrorCode::Unauthorized, "No valid API key came with the request."),
    (ErrorCode::Forbidden, "The API key lacks the scope, or is not for this channel."),
    (ErrorCode::NotFound, "The namespace of the channel is not declared."),
    (ErrorCode::NotSupported, "`not_supported`: the namespace does not offer this; `key_conflict`: see publish."),
    (ErrorCode::TooLarge, "The body or `data` is larger than allowed."),
    (ErrorCode::Internal, "A fault of the hub."),
    (ErrorCode::Unavailable, "Something is away or overloaded; wait `retry_after_ms` and repeat with the same key."),
];

/// This description.
#[utoipa::path(
    get, path = "/openapi.json", tag = "node", operation_id = "openapi", security(()),
    responses((status = 200, description = "An OpenAPI document.", body = Object)),
)]
pub(super) async fn openapi(State(api): State<Api>) -> Response {
    ([(CONTENT_TYPE, "application/json")], api.document.clone()).into_response()
}

/// The document before the routes are added.
pub(super) fn beginning() -> OpenApi {
    Beginning::openapi()
}

/// The document with all that every route has in common, as JSON.
pub(super) fn finished(mut document: OpenApi) -> Bytes {
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "An API key of the configuration. It has scopes, named at each route, and belongs to one tenant.",
    ));
    components.add_security_scheme("api_key", SecurityScheme::Http(bearer.build()));
    if let Some(RefOr::T(Schema::Object(problem))) = components.schemas.get_mut(&*Problem::name()) {
        let codes = ObjectBuilder::new().schema_type(Type::String).description(Some("The code, for programs."));
        let codes = codes.enum_values(Some(ErrorCode::ALL.iter().map(|code| code.as_str())));
        problem.properties.insert("code".to_owned(), codes.into());
    }
    for path in document.paths.paths.values_mut() {
        for operation in [&mut path.get, &mut path.post, &mut path.delete].into_iter().flatten() {
            add_problems(operation);
        }
    }
    // A document of texts, numbers and lists can always be written.
    document.to_json().expect("the document is JSON").into()
}

fn add_problems(operation: &mut Operation) {
    let keyed = operation.security.as_ref().is_some_and(|all| all.iter().any(|one| *one != Default::default()));
    for (code, description) in COMMON.into_iter().filter(|_| keyed) {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
        let response = ResponseBuilder::new().description(description).content("application/problem+json", content);
        let responses = &mut operation.responses.responses;
        responses.entry(code.http_status().to_string()).or_insert_with(|| response.build().into());
    }
}
