//! `sederunt env`: what to set so that a vendor's own SDK speaks to this server.

use clap::ValueEnum;
use serde_json::json;

use crate::commands::connection::{Connection, Target};
use crate::commands::table::print;
use crate::demo;
use crate::fault::Fault;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose SDK
    dialect: Dialect,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Dialect {
    /// foundry-platform-sdk for Python, @osdk/foundry.aipagents for TypeScript
    Palantir,
    /// azure-ai-projects and openai for Python, @azure/ai-projects for JavaScript
    Azure,
    /// vectara for Python
    Vectara,
}

/// Prints lines for a shell's `eval`. The server is not asked.
pub fn run(args: Args, json: bool) -> Result<(), Fault> {
    let target = match args.dialect {
        Dialect::Palantir | Dialect::Vectara => args.connection.target()?,
        // The vendor's own clients send no token over anything else.
        Dialect::Azure => args.connection.tls_target()?,
    };
    let Some(token) = target.token.clone() else {
        return Err(Fault::config(
            "there is no token to set",
            "none was given, and the server is not on this machine",
            "give one with --token TOKEN or in SEDERUNT_TOKEN",
        ));
    };
    let (variables, notes) = match args.dialect {
        Dialect::Palantir => (palantir(&target, &token), palantir_notes(&target)),
        Dialect::Azure => (azure(&target, &token), azure_notes(&target)),
        Dialect::Vectara => (vectara(&target, &token), vectara_notes().to_owned()),
    };
    let value = variables.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    print(json, &serde_json::Value::Object(value), || {
        let exports: Vec<String> =
            variables.iter().map(|(name, value)| format!("export {name}={}", quoted(value))).collect();
        format!("{}\n{notes}", exports.join("\n"))
    });
    Ok(())
}

/// The endpoint under both names that the vendor's samples read, the credential, and the root for each HTTP client:
/// `requests` and OpenSSL in Python, Node.
fn azure(target: &Target, token: &str) -> Vec<(&'static str, String)> {
    let project = target.tenant.as_deref().unwrap_or(demo::TENANT);
    let server = target.server.as_str().trim_end_matches('/');
    let endpoint = format!("{server}/api/projects/{project}");
    let mut variables = vec![
        ("FOUNDRY_PROJECT_ENDPOINT", endpoint.clone()),
        ("AZURE_AI_PROJECT_ENDPOINT", endpoint),
        ("SEDERUNT_TOKEN", token.to_owned()),
    ];
    if let Some(ca) = target.ca.as_ref().filter(|_| target.server.scheme() == "https") {
        let ca = ca.display().to_string();
        let clients = ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"];
        variables.extend(clients.map(|name| (name, ca.clone())));
    }
    variables
}

fn azure_notes(target: &Target) -> String {
    let plain = match target.server.scheme() {
        "https" => "",
        _ => {
            "#\n# The vendor's management clients refuse to send a token over plain HTTP: name the https address with\n\
             # --server, or see docs/azure.md for the recipe. The OpenAI client has no such rule.\n"
        }
    };
    format!(
        "\n# Python (azure-ai-projects, openai): any credential that hands out the token\n\
         #   import os, time\n\
         #   from azure.ai.projects import AIProjectClient\n\
         #   from azure.core.credentials import AccessToken\n\
         #   class Local:\n\
         #       def get_token(self, *scopes, **kw): return AccessToken(os.environ[\"SEDERUNT_TOKEN\"], int(time.time()) + 3600)\n\
         #   client = AIProjectClient(os.environ[\"FOUNDRY_PROJECT_ENDPOINT\"], Local())\n\
         {plain}\
         #\n# JavaScript (@azure/ai-projects):\n\
         #   const credential = {{ getToken: async () => ({{ token: process.env.SEDERUNT_TOKEN, expiresOnTimestamp: Date.now() + 3600e3 }}) }};\n\
         #   const client = new AIProjectClient(process.env.FOUNDRY_PROJECT_ENDPOINT, credential);\n\
         #\n# `sederunt agent list` shows agents by their names."
    )
}

/// The key under the name that the vendor's SDK reads when it is imported; the address, which no variable of the SDK's can
/// say, under our own name and under that of the vendor's MCP server; the root for its HTTP client, and for curl.
fn vectara(target: &Target, token: &str) -> Vec<(&'static str, String)> {
    let server = target.server.as_str().trim_end_matches('/');
    let mut variables = vec![
        ("SEDERUNT_SERVER", server.to_owned()),
        ("VECTARA_API_KEY", token.to_owned()),
        ("VECTARA_BASE_URL", format!("{server}/v2")),
    ];
    if let Some(ca) = target.ca.as_ref().filter(|_| target.server.scheme() == "https") {
        let ca = ca.display().to_string();
        // curl looks at SSL_CERT_FILE only where SSL_CERT_DIR is not set.
        variables.extend([("SSL_CERT_FILE", ca.clone()), ("CURL_CA_BUNDLE", ca)]);
    }
    variables
}

fn vectara_notes() -> &'static str {
    "\n# Python (vectara): the address can be given in code only\n\
     #   import os\n\
     #   from vectara import Vectara\n\
     #   from vectara.environment import VectaraEnvironment\n\
     #   origin = os.environ[\"SEDERUNT_SERVER\"]\n\
     #   client = Vectara(environment=VectaraEnvironment(default=origin, auth=origin))\n\
     #\n# `sederunt agent list` shows agents with their keys."
}

fn palantir(target: &Target, token: &str) -> Vec<(&'static str, String)> {
    let mut variables = vec![("FOUNDRY_HOSTNAME", authority(target)), ("FOUNDRY_TOKEN", token.to_owned())];
    if let Some(ca) = target.ca.as_ref().filter(|_| target.server.scheme() == "https") {
        let ca = ca.display().to_string();
        variables.extend([("SSL_CERT_FILE", ca.clone()), ("NODE_EXTRA_CA_CERTS", ca)]);
    }
    variables
}

/// Host, port and path, as the vendor's Python SDK takes them: it drops a scheme.
fn authority(target: &Target) -> String {
    let url = target.server.as_str();
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.trim_end_matches('/').to_owned()
}

fn palantir_notes(target: &Target) -> String {
    let (config, import) = match target.server.scheme() {
        "http" => ("config=Config(scheme=\"http\")", "FoundryClient, Config"),
        _ => ("", "FoundryClient"),
    };
    let trust = match target.server.scheme() {
        "https" => "#\n# REQUESTS_CA_BUNDLE outranks SSL_CERT_FILE where both are set: unset it.\n",
        _ => "#\n# The Python SDK speaks TLS unless it is told otherwise in code, as here.\n",
    };
    let url = target.server.as_str().trim_end_matches('/');
    format!(
        "\n# Python (foundry-platform-sdk):\n\
         #   from foundry_sdk import {import}\n\
         #   client = FoundryClient({config})\n\
         #   client.aip_agents.Agent.get(\"AGENT RID\", preview=True)\n\
         {trust}\
         #\n# TypeScript (@osdk/client, @osdk/foundry.aipagents):\n\
         #   const client = createPlatformClient(\"{url}\", async () => process.env.FOUNDRY_TOKEN!);\n\
         #   await Agents.get(client, \"AGENT RID\", {{ preview: true }});\n\
         #\n# `sederunt agent list` shows agents with their RIDs."
    )
}

/// A word for a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn what_a_shell_would_read_otherwise_is_quoted() {
        assert_eq!(quoted("127.0.0.1:7080"), "127.0.0.1:7080");
        assert_eq!(quoted("a b$c"), "'a b$c'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
