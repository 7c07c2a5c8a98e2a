//! Tools by the names that servers take, and back.

use std::collections::BTreeMap;

use sederunt_core::agent::ToolDefinition;
use sederunt_core::item::ToolKind;

/// The longest name of a function.
const MAX_NAME: usize = 64;

/// Tools by the names that servers take: letters, digits, `_` and `-`, at most 64.
#[derive(Debug)]
pub struct Names {
    tools: BTreeMap<String, (String, ToolKind)>,
}

impl Names {
    /// The names of `tools`, each once.
    pub fn of(tools: &[ToolDefinition]) -> Self {
        let mut named: BTreeMap<String, (String, ToolKind)> = BTreeMap::new();
        for tool in tools {
            let base = legal(&tool.name);
            let mut wire = base.clone();
            let mut count = 1;
            while named.contains_key(&wire) {
                count += 1;
                let end = format!("_{count}");
                wire = base.chars().take(MAX_NAME - end.len()).chain(end.chars()).collect();
            }
            named.insert(wire, (tool.name.clone(), tool.kind));
        }
        Self { tools: named }
    }

    /// The name by which a server is told of `tool`.
    pub fn wire(&self, tool: &str) -> String {
        let found = self.tools.iter().find(|(_, (name, _))| name == tool);
        found.map_or_else(|| legal(tool), |(wire, _)| wire.clone())
    }

    /// The tool that a server calls by `wire`; a name that nobody told it is taken as it is.
    pub fn tool(&self, wire: &str) -> (String, ToolKind) {
        self.tools.get(wire).cloned().unwrap_or_else(|| (wire.to_owned(), ToolKind::default()))
    }
}

fn legal(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
    name.chars().map(letter).take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn names_become_legal_and_lead_back() {
        let tool =
            |name: &str, kind| ToolDefinition { name: name.into(), description: None, arguments: Value::Null, kind };
        let names = Names::of(&[tool("pump list", ToolKind::Query), tool("pump/list", ToolKind::Sql)]);
        assert_eq!(names.wire("pump/list"), "pump_list_2");
        assert_eq!(names.tool("pump_list"), ("pump list".into(), ToolKind::Query));
        assert_eq!(names.tool("pump_list_2"), ("pump/list".into(), ToolKind::Sql));
        assert_eq!(names.tool("other"), ("other".into(), ToolKind::Function));
    }
}
