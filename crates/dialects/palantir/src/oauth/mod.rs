//! The OAuth2 endpoints that the SDKs call: `/multipass/api/oauth2/{token,revoke_token,authorize}` (RFC 6749, 7009,
//! 7636).

mod authorize;
mod client;
mod error;
mod token;

pub(crate) use authorize::{authorize, sign_in};
pub(crate) use token::{revoke_token, token};

use sederunt_core::caller::Action;
use sederunt_core::identity::Application;
use sederunt_core::tokens::{ACCESS_LIFE, Wanted};

use crate::operation::{SCOPE_READ, SCOPE_WRITE};
use error::OauthError;

/// The scope that asks for a refresh token.
const OFFLINE: &str = "offline_access";

/// What a scope allows: none at all means all that the client may have. Scopes of other services are granted and allow
/// nothing here, since the vendor's TypeScript SDK asks for some by itself.
fn wanted(application: &Application, scope: Option<&str>) -> Result<Wanted, OauthError> {
    let asked: Vec<&str> = match scope.map(str::trim) {
        None | Some("") => vec![SCOPE_READ, SCOPE_WRITE],
        Some(scope) => scope.split_whitespace().collect(),
    };
    let mut actions = Vec::new();
    for scope in &asked {
        match *scope {
            SCOPE_READ => actions.extend([Action::ReadAgents, Action::ListSessions, Action::ReadSessions]),
            SCOPE_WRITE => actions.extend([
                Action::CreateSessions,
                Action::ManageSessions,
                Action::Talk,
                // `allSessions` lists, and counts as a write.
                Action::ListSessions,
            ]),
            OFFLINE => {}
            other if other.split_once(':').is_some_and(|(service, what)| is_word(service) && is_word(what)) => {}
            other => return Err(OauthError::scope(other)),
        }
    }
    Ok(Wanted {
        grants: application.grants.narrowed_to(&actions),
        scope: Some(asked.join(" ")),
        offline: asked.contains(&OFFLINE),
        life: ACCESS_LIFE,
    })
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
}
