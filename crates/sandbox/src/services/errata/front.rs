//! Errata Tool's Negotiate authentication and routes.

use axum::{
    Router,
    extract::{Request, State as AxumState},
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use tower::ServiceExt as _;

use super::{
    handlers, issues,
    spnego::{ACCEPTED, is_initial_token},
    state::{Negotiate, State},
};
use crate::{unexpected::unknown_route, world::Shared};

/// Login name of the caller, known after authentication.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) String);

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    // A fallback rather than a wildcard route, whose path parameter would reach the routes behind.
    Router::new().fallback(front)
}

fn tool() -> Router<Shared> {
    Router::new()
        .route("/advisory/{file}", get(handlers::legacy_advisory))
        .route("/advisory/{id}/tps_jobs.json", get(handlers::tps_jobs))
        .route("/advisory/{id}/builds.json", get(handlers::legacy_builds))
        .route("/errata/container/{id}", get(handlers::container_page))
        .route("/api/v1/erratum/{id}", get(handlers::erratum).put(handlers::update))
        .route("/api/v1/erratum/{id}/change_state", post(handlers::change_state))
        .route("/api/v1/erratum/{id}/add_comment", post(handlers::add_comment))
        .route("/api/v1/erratum/{id}/add_jira_issue", post(issues::add))
        .route("/api/v1/erratum/{id}/remove_jira_issue", post(issues::remove))
        .route("/api/v1/erratum/{id}/builds", get(handlers::builds))
        .route("/api/v1/erratum/{id}/push", get(handlers::pushes).post(handlers::push))
        .route("/api/v1/erratum/{id}/security_alerts", get(handlers::security_alerts))
        .route("/api/v1/erratum/{id}/security_alerts/refresh", post(handlers::refresh_security_alerts))
        .route("/api/v1/build/{nvr}", get(handlers::build))
        .route("/api/v1/external_tests", get(handlers::external_tests))
        .route("/api/v1/external_tests/", get(handlers::external_tests))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
}

/// The whole body was read before this runs, as a web server reads it before it answers 401.
async fn front(AxumState(world): AxumState<Shared>, mut request: Request) -> Response {
    let (caller, acceptor_speaks) = {
        let mut state = world.errata.lock();
        state.advance_pushes(world.clock.now());
        match authenticate(&mut state, &request) {
            Ok(identity) => identity,
            Err(Denied::Challenge) => return challenge(),
            Err(Denied::NoAccess) => return no_access(state.negotiate == Negotiate::Accept),
        }
    };
    request.extensions_mut().insert(Caller(caller));
    let mut response = match tool().with_state(world).oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if acceptor_speaks {
        add_server_token(&mut response);
    }
    response
}

enum Denied {
    /// No usable token: 401.
    Challenge,
    /// Known to Kerberos, but no user of the tool: 403.
    NoAccess,
}

/// The caller's login name, and whether the sandbox is the acceptor.
fn authenticate(state: &mut State, request: &Request) -> Result<(String, bool), Denied> {
    let text = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let (principal, acceptor_speaks) = match state.negotiate {
        Negotiate::Accept => {
            let token =
                text("authorization").and_then(|value| value.strip_prefix("Negotiate ")).map(str::trim);
            let token = token.filter(|token| is_initial_token(token)).ok_or(Denied::Challenge)?;
            if !state.replay_cache.insert(token.to_owned()) {
                return Err(Denied::Challenge);
            }
            (state.token_user.clone(), true)
        }
        Negotiate::Off => (text("x-remote-user").ok_or(Denied::Challenge)?.to_owned(), false),
    };
    let user = state.user_of_principal(&principal).filter(|user| user.access).ok_or(Denied::NoAccess)?;
    Ok((user.email.clone(), acceptor_speaks))
}

fn challenge() -> Response {
    let page = Html(
        "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n\
         <title>401 Unauthorized</title>\n</head><body>\n<h1>Unauthorized</h1>\n\
         <p>This server could not verify that you are authorized to access the document requested.</p>\n\
         </body></html>\n",
    );
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Negotiate")], page).into_response()
}

fn no_access(acceptor_speaks: bool) -> Response {
    let page = Html(
        "<html><head><title>Errata Tool</title></head><body><h1>Access denied</h1>\
         <p>You do not have an account with access to this application.</p></body></html>\n",
    );
    let mut response = (StatusCode::FORBIDDEN, page).into_response();
    if acceptor_speaks {
        add_server_token(&mut response);
    }
    response
}

fn add_server_token(response: &mut Response) {
    if let Ok(value) = HeaderValue::from_str(&format!("Negotiate {ACCEPTED}")) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
}
