//! The tools of a turn: which of them run here, how they are run, and the one by which a model changes a parameter.

use futures_util::future::join_all;
use serde_json::json;

use super::run::{Halt, Run};
use crate::agent::{ParameterKind, ParameterValue, ToolDefinition};
use crate::error::{FaultKind, ModelFault};
use crate::item::{ItemBody, ToolCall, ToolKind, ToolResult};
use crate::journal::Happened;
use crate::part::PartBody;

/// The tool by which a model changes a parameter.
const UPDATE_PARAMETER: &str = "update_parameter";

impl Run {
    /// What a change of a parameter amounts to: nothing if it has that value already.
    pub(super) fn parameter_update(&self, name: String, value: ParameterValue) -> Result<Option<PartBody>, ModelFault> {
        let definition = &self.setting.version.definition;
        let declared = definition.parameters.get(&name).map(|p| p.kind.type_name());
        if !definition.may_change(&name) || declared != Some(value.type_name()) {
            let mut fault = FaultKind::Failed.with("");
            fault.message = format!("the agent may not set the parameter '{name}' to a {}", value.type_name());
            return Err(fault);
        }
        let before = self.live.items().into_iter().rev().find_map(|item| match item {
            ItemBody::ParameterUpdate { name: n, value } if n == name => Some(value),
            _ => None,
        });
        let before = before.or_else(|| self.new.parameters.get(&name).cloned());
        Ok((before.as_ref() != Some(&value)).then_some(PartBody::ParameterUpdate { name, value }))
    }

    pub(super) fn can_run(&self, call: &ToolCall) -> bool {
        (call.tool == UPDATE_PARAMETER && self.update_tool().is_some()) || self.engine.0.ports.tools.knows(&call.tool)
    }

    /// Runs calls side by side; their results come in the order of the calls.
    pub(super) async fn call(&self, calls: Vec<ToolCall>) -> Result<(), Halt> {
        for call in &calls {
            self.note(&Happened::Called(&call.tool));
        }
        let outputs = join_all(calls.iter().map(|call| async {
            if call.tool == UPDATE_PARAMETER {
                return None;
            }
            Some(self.engine.0.ports.tools.call(&self.setting.caller, &call.tool, &call.arguments).await)
        }));
        for (output, call) in outputs.await.into_iter().zip(&calls) {
            let (update, output) = output.map_or_else(|| self.update_by_tool(call), |output| (None, output));
            if output.is_err() {
                self.note(&Happened::CallFailed(&call.tool));
            }
            let mut parts: Vec<_> = update.into_iter().collect();
            parts.push(PartBody::ToolResult(ToolResult { call: call.call.clone(), output }));
            self.say(parts).await?;
        }
        Ok(())
    }

    /// The tool that lets a model change the texts it may change; none if there are none.
    pub(super) fn update_tool(&self) -> Option<ToolDefinition> {
        let definition = &self.setting.version.definition;
        let is_text = |name: &&String| {
            let kind = definition.parameters.get(*name).map(|p| &p.kind);
            definition.may_change(name) && matches!(kind, Some(ParameterKind::Text { .. }))
        };
        let names: Vec<_> = definition.parameters.keys().filter(is_text).collect();
        (!names.is_empty()).then(|| ToolDefinition {
            name: UPDATE_PARAMETER.into(),
            description: Some("Sets a parameter of this conversation to a new text.".into()),
            arguments: json!({
                "type": "object",
                "properties": {"name": {"type": "string", "enum": names}, "value": {"type": "string"}},
                "required": ["name", "value"],
            }),
            kind: ToolKind::UpdateParameter,
        })
    }

    fn update_by_tool(&self, call: &ToolCall) -> (Option<PartBody>, Result<serde_json::Value, String>) {
        let text = |key: &str| call.arguments.get(key).and_then(|v| v.as_str()).map(str::to_owned);
        let (Some(name), Some(value)) = (text("name"), text("value")) else {
            return (None, Err("name and value must be texts".into()));
        };
        match self.parameter_update(name, ParameterValue::Text(value)) {
            Ok(part) => (part, Ok(json!("set"))),
            Err(fault) => (None, Err(fault.message)),
        }
    }
}
