//! What needs the vendor's cloud: agents from uploaded code and from its registry of manifests. Answered 501.

use crate::action::split;
use crate::asked::Asked;
use crate::failure::Failure;
use crate::operation::{Answer, method_not_allowed, no_path};
use crate::versions::code_upload;

/// Whatever is below a project and has no route: `agents:import`, and paths that are none of ours.
pub(crate) async fn of_project(asked: Asked) -> Answer {
    match split(asked.name("path")) {
        ("agents", Some("import")) => Err(import(&asked)),
        _ => Err(no_path(&asked.parts.uri)),
    }
}

/// `import`, `versions:import` and `code:download`.
pub(crate) async fn of_agent(asked: Asked) -> Answer {
    match split(asked.name("action")) {
        ("import", None) | ("versions", Some("import")) => Err(import(&asked)),
        ("code", Some("download")) if asked.parts.method == http::Method::GET => Err(code_upload()),
        ("code", Some("download")) => Err(method_not_allowed(&asked.parts.method)),
        _ => Err(no_path(&asked.parts.uri)),
    }
}

fn import(asked: &Asked) -> Failure {
    if asked.parts.method != http::Method::POST {
        return method_not_allowed(&asked.parts.method);
    }
    Failure::not_implemented(
        "Agents are not made from manifests here: send the definition itself, to /agents/{agent_name}/versions.",
    )
}
