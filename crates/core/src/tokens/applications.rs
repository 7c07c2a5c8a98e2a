//! The applications that may ask for tokens: registered, listed, recognised, removed with all that was issued to them.

use super::Tokens;
use crate::agent::Opaque;
use crate::caller::{Action, Caller, Grants};
use crate::error::{Error, Kind, Reason, Result, Unauthenticated};
use crate::identity::{Application, CredentialId};

/// The longest name of an application, in bytes.
const LONGEST_NAME: usize = 256;
/// The longest description of an application, in bytes.
const LONGEST_DESCRIPTION: usize = 10_000;
/// The most addresses of one application.
const MOST_URIS: usize = 20;
/// The longest address, in bytes.
const LONGEST_URI: usize = 2_000;
/// Schemes in which a browser finds a program or a document instead of an address.
const NO_ADDRESS: [&str; 6] = ["about", "blob", "data", "file", "javascript", "vbscript"];

/// An application to be registered.
#[derive(Clone, Debug)]
pub struct NewApplication {
    /// What people call it.
    pub name: String,
    /// Where codes may be sent: `https`, `http` on this machine, or a scheme of its own. None are needed by one that
    /// speaks for itself alone.
    pub redirect_uris: Vec<String>,
    /// The most that its tokens allow.
    pub grants: Grants,
    /// Whether it runs where no secret can be kept (a browser, a phone): it gets none.
    pub public: bool,
    /// What it is for.
    pub description: Option<String>,
    /// What dialects keep of it.
    pub extra: Opaque,
}

/// What shall change about an application.
#[derive(Clone, Debug, Default)]
pub struct ApplicationPatch {
    /// What people call it.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<Option<String>>,
    /// The most that its tokens allow. Tokens that are out keep what they have until their time is over.
    pub grants: Option<Grants>,
    /// What dialects keep of it.
    pub extra: Option<Opaque>,
}

impl Tokens<'_> {
    /// Registers an application. The text is its secret, which nobody can read again; a public one has none.
    pub async fn create_application(
        &self,
        caller: &Caller,
        new: NewApplication,
    ) -> Result<(Application, Option<String>)> {
        caller.may(Action::Admin)?;
        presentable(&new.name, new.description.as_deref())?;
        if new.redirect_uris.len() > MOST_URIS {
            return Err(Error::invalid("redirect_uris", Reason::TooLarge(MOST_URIS as u64)));
        }
        if new.public && new.redirect_uris.is_empty() {
            return Err(Error::malformed(
                "redirect_uris",
                "a public application gets tokens by sign-in only: name one",
            ));
        }
        for uri in &new.redirect_uris {
            registrable(uri).map_err(|why| Error::malformed("redirect_uris", format!("'{uri}': {why}")))?;
        }
        let secret = (!new.public).then(|| self.secret("sed_app_"));
        let application = Application {
            client_id: format!("app_{}", self.ports.ids.random_uuid().simple()),
            secret: None,
            tenant: caller.tenant.clone(),
            name: new.name,
            redirect_uris: new.redirect_uris,
            grants: new.grants,
            created: self.now(),
            description: new.description,
            extra: new.extra,
        };
        let application = self.put_application(application, secret.as_deref()).await?;
        Ok((application, secret))
    }

    /// Adds or replaces an application. With `secret` it is confidential; without, public.
    pub async fn put_application(&self, mut application: Application, secret: Option<&str>) -> Result<Application> {
        application.secret = secret.map(CredentialId::of);
        self.ports.store.put_application(&application).await?;
        Ok(application)
    }

    /// The tenant's applications by their client ids, after `after`, at most `limit`.
    pub async fn applications(&self, caller: &Caller, after: Option<&str>, limit: u32) -> Result<Vec<Application>> {
        caller.may(Action::Admin)?;
        self.ports.store.applications(&caller.tenant, after, limit).await
    }

    /// The tenant's application with this client id, for who administers it.
    pub async fn registered(&self, caller: &Caller, client_id: &str) -> Result<Application> {
        caller.may(Action::Admin)?;
        let found = self.ports.store.application(client_id).await?;
        found
            .filter(|application| application.tenant == caller.tenant)
            .ok_or_else(|| Error::not_found(Kind::Client, client_id))
    }

    /// Changes an application. Of two who change it at once, the later one's word stands.
    pub async fn update_application(
        &self,
        caller: &Caller,
        client_id: &str,
        patch: ApplicationPatch,
    ) -> Result<Application> {
        let mut application = self.registered(caller, client_id).await?;
        application.name = patch.name.unwrap_or(application.name);
        application.description = patch.description.unwrap_or(application.description);
        application.grants = patch.grants.unwrap_or(application.grants);
        application.extra = patch.extra.unwrap_or(application.extra);
        presentable(&application.name, application.description.as_deref())?;
        if !self.ports.store.update_application(&application).await? {
            return Err(Error::not_found(Kind::Client, client_id));
        }
        Ok(application)
    }

    /// Removes an application. Its tokens are refused from now on, by other nodes once they have forgotten them.
    pub async fn remove_application(&self, caller: &Caller, client_id: &str) -> Result<()> {
        caller.may(Action::Admin)?;
        if !self.ports.store.remove_application(&caller.tenant, client_id, self.now()).await? {
            return Err(Error::not_found(Kind::Client, client_id));
        }
        self.ports.identity.forget_all();
        Ok(())
    }

    /// The application with this id.
    pub async fn application(&self, client_id: &str) -> Result<Application> {
        let found = self.ports.store.application(client_id).await?;
        found.ok_or(Error::Unauthenticated(Unauthenticated::Unknown))
    }

    /// The application that proves to be itself: with its secret, or with none if it is public.
    pub async fn authenticate(&self, client_id: &str, secret: Option<&str>) -> Result<Application> {
        let application = self.application(client_id).await?;
        let proven = match (&application.secret, secret) {
            (Some(hash), Some(secret)) => CredentialId::of(secret) == *hash,
            (None, None | Some("")) => true,
            _ => false,
        };
        if proven { Ok(application) } else { Err(Error::Unauthenticated(Unauthenticated::Unknown)) }
    }

    /// Refuses an address that the application did not register. Errors may be sent only to addresses that pass.
    pub fn redirect_allowed(&self, application: &Application, redirect_uri: &str) -> Result<()> {
        let known = application.redirect_uris.iter().any(|uri| uri == redirect_uri || same_loopback(uri, redirect_uri));
        if known { Ok(()) } else { Err(Error::invalid("redirect_uri", Reason::Unknown)) }
    }
}

/// Refuses names and descriptions that cannot be shown.
fn presentable(name: &str, description: Option<&str>) -> Result<()> {
    if name.trim().is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(Error::malformed("name", "1 to 256 bytes without control characters"));
    }
    match description {
        Some(text) if text.len() > LONGEST_DESCRIPTION => {
            Err(Error::invalid("description", Reason::TooLarge(LONGEST_DESCRIPTION as u64)))
        }
        _ => Ok(()),
    }
}

/// Whether codes may be sent to this address; else why not.
fn registrable(uri: &str) -> Result<(), &'static str> {
    if uri.len() > LONGEST_URI {
        return Err("longer than 2000 bytes");
    }
    // Backslashes are slashes to browsers: the host they see would be another one.
    if uri.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'\\') {
        return Err("percent-encode what is not a letter, digit or sign of ASCII");
    }
    if uri.contains('#') {
        return Err("an address for codes has no fragment");
    }
    let (scheme, rest) = uri.split_once(':').ok_or("not an absolute URI such as https://app.example/callback")?;
    let rest_of_scheme = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    if !scheme.starts_with(|first: char| first.is_ascii_lowercase()) || !scheme.bytes().all(rest_of_scheme) {
        return Err("not an absolute URI with a scheme in small letters");
    }
    match scheme {
        "https" => {
            let authority = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?']).next());
            let host = authority.filter(|host| !host.is_empty() && !host.starts_with(':') && !host.contains('@'));
            host.map(drop).ok_or("name a host, without a user")
        }
        "http" => loopback(uri).map(drop).ok_or("http is for this machine only, such as http://127.0.0.1/callback"),
        _ if NO_ADDRESS.contains(&scheme) => Err("nobody can be sent there"),
        _ if rest.is_empty() => Err("nothing follows its scheme"),
        _ => Ok(()),
    }
}

/// Host and path of an address of this machine.
fn loopback(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    matches!(host, "127.0.0.1" | "localhost" | "[::1]").then_some((host, path))
}

/// Whether `asked` is the registered loopback address with another port (RFC 8252, 7.3: native programs listen on
/// whatever port is free).
fn same_loopback(registered: &str, asked: &str) -> bool {
    loopback(registered).is_some_and(|one| loopback(asked) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_address_may_come_with_any_port() {
        assert!(same_loopback("http://127.0.0.1/callback", "http://127.0.0.1:4321/callback"));
        assert!(!same_loopback("http://127.0.0.1/callback", "http://127.0.0.1:4321/other"));
        assert!(!same_loopback("http://127.0.0.1/callback", "http://127.0.0.1.evil.example/callback"));
        assert!(!same_loopback("https://app.example/cb", "https://app.example:444/cb"));
        assert!(!same_loopback("http://127.0.0.1/callback", "http://127.0.0.1:80@evil.example/callback"));
    }

    #[test]
    fn codes_are_sent_over_tls_within_the_machine_or_to_a_program_of_its_own() {
        for good in [
            "https://app.example/callback",
            "https://app.example:8443",
            "https://app.example/callback?kind=oauth",
            "http://localhost:3000/callback",
            "http://[::1]/callback",
            "com.example.app:/callback",
            "example-app://callback",
        ] {
            assert_eq!(registrable(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "callback",
            "/callback",
            "//app.example/callback",
            "https:///callback",
            "https://:443/callback",
            "https://user@app.example/callback",
            "https://app.example/callback#part",
            "https://app.example/a b",
            "https://app.example\\@evil.example/",
            "https://äpp.example/",
            "http://app.example/callback",
            "http://localhost.evil.example/callback",
            "http://localhost:80@evil.example/callback",
            "HTTP://app.example/callback",
            "javascript:alert(1)",
            "data:text/html,x",
            "example-app:",
            "1app://callback",
        ] {
            assert!(registrable(bad).is_err(), "{bad}");
        }
    }
}
