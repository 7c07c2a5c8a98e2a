//! What templates make.

use serde_json::{Value, json};

use super::{TemplateError, render};

fn made(template: &str) -> String {
    of(
        template,
        json!({
            "agent": {"name": "Helper", "metadata": {"tier": "gold", "first-name": "Ada", "none": null}},
            "session": {"key": "ase_1", "metadata": {"n": 3, "tags": ["a", "b"]}},
            "tools": [{"name": "find", "description": "Finds."}, {"name": "tell", "description": "Tells."}],
            "empty": [],
        }),
    )
    .unwrap()
}

fn of(template: &str, variables: Value) -> Result<String, TemplateError> {
    render(template, variables.as_object().unwrap())
}

#[test]
fn references_lead_to_parts_of_the_variables() {
    assert_eq!(made("I am $agent.name."), "I am Helper.");
    assert_eq!(made("${agent.metadata.tier}s, $!{agent.name}"), "golds, Helper");
    assert_eq!(made("$agent.metadata['first-name'] $session.metadata.tags[1]"), "Ada b");
    assert_eq!(made("$session.metadata.tags $session.metadata.n"), "[\"a\",\"b\"] 3");
    assert_eq!(made("$tools.size() $tools.get(0).name $agent.name.toUpperCase()"), "2 find HELPER");
}

#[test]
fn what_leads_nowhere_stays_as_it_is_written() {
    for text in ["$nobody", "${agent.age}", "$agent.metadata.none", "$agent.fly()", "$5.00 and $", "${open", "a@b #1"] {
        assert_eq!(made(text), text);
    }
    assert_eq!(made("<$!nobody$!{agent.age}>"), "<>");
    assert_eq!(made("${nobody|'friend'} ${agent.name|'x'}"), "friend Helper");
    assert_eq!(made("\\$agent.name \\#if"), "$agent.name #if");
}

#[test]
fn one_branch_of_a_choice_is_shown() {
    let template = "#if($session.metadata.n > 5)many#elseif($session.metadata.n == 3)three#{else}few#end";
    assert_eq!(made(template), "three");
    assert_eq!(made("#if($nobody || $empty)a#else\nb#end"), "\nb");
    assert_eq!(made("#if(!$nobody && $agent.metadata.tier == 'gold')yes#end"), "yes");
    assert_eq!(made("#if($agent.name ne \"Helper\" or not ($session.metadata.n lt 4))yes#{else}no#end"), "no");
    assert_eq!(made("#if($nobody == $missing)same#end#if($agent.name == $missing)same#end"), "same");
}

#[test]
fn a_loop_knows_where_it_is() {
    assert_eq!(made("#foreach($t in $tools)$t.name#if($foreach.hasNext), #end#end"), "find, tell");
    assert_eq!(made("#foreach($n in [1..3])$foreach.count:$n #end$!n$!foreach"), "1:1 2:2 3:3 ");
    assert_eq!(made("#foreach($n in [3..1])#if($n == 1)#break#end$n#end!"), "32!");
    assert_eq!(made("#foreach($t in $nobody)x#end#foreach($t in $empty)x#end"), "");
    assert_eq!(made("#foreach($a in ['x', 'y'])#foreach($b in [1, 2])$a$b$foreach.index#end#end"), "x10x21y10y21");
    assert_eq!(made("#foreach($e in $agent.metadata.entrySet())$e.key #end"), "tier first-name none ");
}

#[test]
fn what_is_set_can_be_used() {
    assert_eq!(made("#set($x = 2 * (3 + 4) - 1)$x"), "13");
    assert_eq!(made("#set($x = \"$agent.name has $tools.size()\")$x"), "Helper has 2");
    assert_eq!(made("#set($x = 'it''s $raw')$x"), "it's $raw");
    assert_eq!(made("#set($x = 7 / 2)#set($y = 7 / 2.0)#set($z = 1 / 0)$x $y $z"), "3 3.5 $z");
    assert_eq!(made("#set($agent = 1)$agent.name#stop never"), "$agent.name");
}

#[test]
fn a_directive_alone_in_its_line_takes_the_line_with_it() {
    let template = "Tools:\n#foreach($t in $tools)\n  #if($t.name == 'find')\n- $t.name\n  #end\n#end\nDone.\n";
    assert_eq!(made(template), "Tools:\n- find\nDone.\n");
    assert_eq!(made("a\n  ## a remark\n#* more\n *#\nb ## end\nc"), "a\nb \nc");
    assert_eq!(made("# Title\n#tag and #[[#if $agent.name]]#"), "# Title\n#tag and #if $agent.name");
}

#[test]
fn what_is_written_wrongly_is_told_with_its_line() {
    for (template, line) in [
        ("a\n#if($x)", 2),
        ("#foreach($x in $y)", 1),
        ("\n\n#end", 3),
        ("#else", 1),
        ("#if $x", 1),
        ("#if($x", 1),
        ("#if($x = 1)#end", 1),
        ("#set($a.b = 1)", 1),
        ("#set($a = 'x)", 1),
        ("#* x", 1),
        ("#[[ x", 1),
        ("#if($a)#else#elseif($b)#end", 1),
    ] {
        let error = of(template, json!({})).unwrap_err();
        assert!(matches!(&error, TemplateError::Syntax { line: at, .. } if *at == line), "{template}: {error}");
    }
}

#[test]
fn no_template_takes_for_ever_or_makes_too_much() {
    let endless = "#foreach($a in [1..9999])#foreach($b in [1..9999])#set($c = 1)#end#end";
    assert_eq!(of(endless, json!({})), Err(TemplateError::TooLong));
    assert_eq!(of("#foreach($a in [1..99999999999])#end", json!({})), Err(TemplateError::TooLong));
    let doubled = "#set($x = 'xxxxxxxx')#foreach($i in [1..64])#set($x = \"$x$x\")#end";
    assert!(matches!(of(doubled, json!({})), Err(TemplateError::TooLarge(_) | TemplateError::TooLong)));
    let added = "#set($x = 'xxxxxxxx')#foreach($i in [1..64])#set($x = $x + $x)#end";
    assert!(matches!(of(added, json!({})), Err(TemplateError::TooLarge(_) | TemplateError::TooLong)));
    for deep in
        ["#if(true)".repeat(10_000), format!("#if({}", "(".repeat(10_000)), format!("#if({}", "!".repeat(10_000))]
    {
        assert!(matches!(of(&deep, json!({})), Err(TemplateError::Syntax { .. })));
    }
    for deep in [format!("#if(1{})#end", "+1".repeat(10_000)), format!("$a{}", "[$a".repeat(10_000))] {
        // Whatever it comes to, it comes to an end.
        drop(of(&deep, json!({})));
    }
}

proptest::proptest! {
    #[test]
    fn whatever_is_written_comes_to_text_or_to_an_error(template in "([$#{}()\\[\\]!.\"'|\\\\ \n]|if|else|end|foreach|set|in|a|1|==){0,40}") {
        drop(of(&template, json!({"a": {"a": [1, {"a": "x"}]}})));
    }
}
