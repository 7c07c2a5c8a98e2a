//! What `dev` begins with: two users, two applications, and two agents whose ids never change, so that what was pasted
//! into a test yesterday is right today.

use sederunt_core::agent::{Definition, Opaque};
use sederunt_core::app::{App, NewAgent, Save};
use sederunt_core::caller::{Caller, Grants};
use sederunt_core::error::{Conflict, Error, Result};
use sederunt_core::id::{AgentId, ClientId, TenantId, UserId};
use sederunt_core::identity::Application;
use sederunt_models::script::SUPPORT_AGENT;
use uuid::Uuid;

use crate::ready::{Agent, OAuth, User};

/// The tenant of a server that has only one.
pub const TENANT: &str = "default";
/// The token of the first development user.
pub const TOKEN: &str = "sederunt-dev-alice";
/// The development users and their tokens, which `serve` refuses.
const USERS: [(&str, &str); 2] = [("alice", TOKEN), ("bob", "sederunt-dev-bob")];
const CLIENT_ID: &str = "sederunt-dev-app";
const CLIENT_SECRET: &str = "sederunt-dev-secret";
const PUBLIC_CLIENT_ID: &str = "sederunt-dev-public";
/// Where the development applications may send their users back to.
const REDIRECTS: [&str; 4] = [
    "http://localhost:3000/callback",
    "http://127.0.0.1:3000/callback",
    "http://localhost:5173/auth/callback",
    "http://localhost:8080/auth/callback",
];
const ECHO: AgentId = AgentId(Uuid::from_u128(0x0190_0000_ec80_7000_8000_0000_0000_0001));
const SUPPORT: AgentId = AgentId(Uuid::from_u128(0x0190_0000_50b0_7000_8000_0000_0000_0002));

/// The development user as whom sign-in pages approve by themselves.
pub fn first_user() -> UserId {
    UserId::from(USERS[0].0)
}

/// What was put in place.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is what it names")]
pub struct Demo {
    pub users: Vec<User>,
    pub agents: Vec<Agent>,
    pub oauth: OAuth,
}

/// Puts users, application and agents in place; what is there already stays as it is. `rid` prints an agent's id.
pub async fn install(app: &App, rid: impl Fn(AgentId) -> String) -> Result<Demo> {
    let tenant = TenantId::from(TENANT);
    for (name, token) in USERS {
        app.tokens().development_user(token, &tenant, UserId::from(name)).await?;
    }
    let applications = [
        (CLIENT_ID, "Development application", Some(CLIENT_SECRET)),
        (PUBLIC_CLIENT_ID, "Development application in a browser", None),
    ];
    for (client_id, name, secret) in applications {
        let application = Application {
            client_id: client_id.into(),
            secret: None,
            tenant: tenant.clone(),
            name: name.into(),
            redirect_uris: REDIRECTS.map(str::to_owned).to_vec(),
            grants: Grants::user(),
            created: app.ports().timer.wall(),
            description: None,
            extra: Opaque::new(),
        };
        app.tokens().put_application(application, secret).await?;
    }
    let caller = Caller {
        tenant,
        user: UserId::from("sederunt"),
        client: ClientId::personal(),
        grants: Grants::all(),
        scope: None,
        every_tenant: false,
        end_users: false,
    };
    let mut agents = Vec::new();
    for (key, id, definition) in [("echo", ECHO, echo()), ("support", SUPPORT, support()?)] {
        let name = definition.name.clone();
        let new = NewAgent {
            key: key.parse()?,
            id: Some(id),
            definition,
            save: Save::Publish,
            enabled: true,
            extra: Default::default(),
        };
        match app.agents().create(&caller, new, None).await {
            Ok(_) | Err(Error::Conflict { kind: Conflict::AlreadyExists, .. }) => {}
            Err(error) => return Err(error),
        }
        agents.push(Agent { key: key.into(), rid: rid(id), name, versions: vec!["1.0".into()] });
    }
    let user = |(name, token): (&str, &str)| User { name: name.into(), token: token.into() };
    let [redirect_uri, ..] = REDIRECTS;
    let oauth = OAuth {
        client_id: CLIENT_ID.into(),
        client_secret: CLIENT_SECRET.into(),
        public_client_id: PUBLIC_CLIENT_ID.into(),
        redirect_uri: redirect_uri.into(),
    };
    Ok(Demo { users: USERS.map(user).to_vec(), agents, oauth })
}

/// Removes the applications that development left in the data: everybody knows their secret.
pub async fn remove_applications(app: &App) -> Result<()> {
    let (store, now) = (&app.ports().store, app.ports().timer.wall());
    for client_id in [CLIENT_ID, PUBLIC_CLIENT_ID] {
        store.remove_application(&TenantId::from(TENANT), client_id, now).await?;
    }
    Ok(())
}

fn echo() -> Definition {
    Definition {
        name: "Echo".into(),
        description: Some("Answers with exactly what it is told, a word a part.".into()),
        placeholder: Some("Say something".into()),
        suggestions: vec!["Hello".into()],
        ..Definition::default()
    }
}

fn support() -> Result<Definition> {
    toml::from_str(SUPPORT_AGENT).map_err(Error::internal)
}
