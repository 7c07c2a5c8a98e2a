//! From a template's text to its pieces.
//!
//! A directive that stands alone in its line takes the whole line with it, as in Velocity 2.

use super::TemplateError;
use super::ast::{Expression, Node};
use super::cursor::Cursor;
use super::expression::{expression, reference};

/// The pieces of a whole template.
pub(super) fn template(source: &str) -> Result<Vec<Node>, TemplateError> {
    whole(&mut Cursor::new(source))
}

/// The pieces up to the end of what the cursor has.
pub(super) fn whole(cursor: &mut Cursor<'_>) -> Result<Vec<Node>, TemplateError> {
    match nodes(cursor)? {
        (nodes, Close::Source) => Ok(nodes),
        (_, Close::End) => Err(cursor.refuse("this #end ends nothing")),
        (_, Close::Else | Close::ElseIf(_)) => Err(cursor.refuse("there is no #if before this")),
    }
}

/// What pieces end at.
enum Close {
    Source,
    End,
    Else,
    ElseIf(Expression),
}

/// What begins with a number sign.
enum Directive {
    Close(Close),
    If(Expression),
    Foreach(String, Expression),
    Node(Node),
    Comment,
}

fn nodes(cursor: &mut Cursor<'_>) -> Result<(Vec<Node>, Close), TemplateError> {
    cursor.sink()?;
    let mut nodes = Vec::new();
    let mut text = String::new();
    let end = loop {
        let start = cursor.at();
        let Some(next) = cursor.next() else { break Close::Source };
        match next {
            // A sign behind a backslash is a sign.
            '\\' if cursor.peek().is_some_and(|c| c == '$' || c == '#') => text.extend(cursor.next()),
            '$' => {
                cursor.go(start);
                match reference(cursor)? {
                    None => text.extend(cursor.next()),
                    Some(reference) => {
                        flush(&mut nodes, &mut text);
                        nodes.push(Node::Reference(reference));
                    }
                }
            }
            '#' if cursor.eat("[[") => {
                let rest = cursor.rest();
                let Some((verbatim, _)) = rest.split_once("]]#") else {
                    return Err(cursor.refuse("#[[ without its ]]#"));
                };
                text.push_str(verbatim);
                cursor.go(cursor.at() + verbatim.len() + "]]#".len());
            }
            '#' => {
                let Some(directive) = directive(cursor)? else {
                    cursor.go(start + 1);
                    text.push('#');
                    continue;
                };
                drop_line(cursor, start, &mut text);
                if let Directive::Close(end) = directive {
                    break end;
                }
                flush(&mut nodes, &mut text);
                match directive {
                    Directive::If(condition) => nodes.push(choice(cursor, condition)?),
                    Directive::Foreach(variable, list) => {
                        let (body, Close::End) = self::nodes(cursor)? else {
                            return Err(cursor.refuse("a #foreach is without its #end"));
                        };
                        nodes.push(Node::Foreach { variable, list, body });
                    }
                    Directive::Node(node) => nodes.push(node),
                    Directive::Comment | Directive::Close(_) => {}
                }
            }
            other => text.push(other),
        }
    };
    flush(&mut nodes, &mut text);
    cursor.rise();
    Ok((nodes, end))
}

fn flush(nodes: &mut Vec<Node>, text: &mut String) {
    if !text.is_empty() {
        nodes.push(Node::Text(std::mem::take(text)));
    }
}

/// Takes away what is left of the line of a directive that stands alone in it. `text` is what came before.
fn drop_line(cursor: &mut Cursor<'_>, start: usize, text: &mut String) {
    let before = cursor.source().get(..start).unwrap_or_default();
    let indent = before.rsplit('\n').next().unwrap_or_default();
    let rest = cursor.rest();
    let line = rest.split_inclusive('\n').next().unwrap_or_default();
    if indent.trim().is_empty() && line.trim().is_empty() {
        text.truncate(text.trim_end_matches([' ', '\t']).len());
        cursor.go(cursor.at() + line.len());
    }
}

/// The branches of an `#if` whose first condition has been read.
fn choice(cursor: &mut Cursor<'_>, first: Expression) -> Result<Node, TemplateError> {
    let mut branches = Vec::new();
    let mut condition = first;
    loop {
        let (body, end) = nodes(cursor)?;
        branches.push((condition, body));
        match end {
            Close::ElseIf(next) => condition = next,
            Close::End => return Ok(Node::If { branches, otherwise: Vec::new() }),
            Close::Else => {
                let (otherwise, Close::End) = nodes(cursor)? else {
                    return Err(cursor.refuse("an #else is without its #end"));
                };
                return Ok(Node::If { branches, otherwise });
            }
            Close::Source => return Err(cursor.refuse("an #if is without its #end")),
        }
    }
}

/// The directive behind the number sign; `None` if there is none, and the cursor may be anywhere.
fn directive(cursor: &mut Cursor<'_>) -> Result<Option<Directive>, TemplateError> {
    if cursor.eat("#") {
        let rest = cursor.rest();
        cursor.go(cursor.at() + rest.find('\n').unwrap_or(rest.len()));
        return Ok(Some(Directive::Comment));
    }
    if cursor.eat("*") {
        let Some(length) = cursor.rest().find("*#") else { return Err(cursor.refuse("#* without its *#")) };
        cursor.go(cursor.at() + length + "*#".len());
        return Ok(Some(Directive::Comment));
    }
    let is_braced = cursor.eat("{");
    let Some(name) = cursor.name() else { return Ok(None) };
    if is_braced && !cursor.eat("}") {
        return Ok(None);
    }
    Ok(Some(match name {
        "end" => Directive::Close(Close::End),
        "else" => Directive::Close(Close::Else),
        "break" => Directive::Node(Node::Break),
        "stop" => Directive::Node(Node::Stop),
        "if" => Directive::If(condition(cursor)?),
        "elseif" => Directive::Close(Close::ElseIf(condition(cursor)?)),
        "foreach" => {
            open(cursor)?;
            let variable = variable(cursor)?;
            cursor.skip_space();
            cursor.expect("in")?;
            let list = expression(cursor)?;
            close(cursor)?;
            Directive::Foreach(variable, list)
        }
        "set" => {
            open(cursor)?;
            let variable = variable(cursor)?;
            cursor.skip_space();
            cursor.expect("=")?;
            let value = expression(cursor)?;
            close(cursor)?;
            Directive::Node(Node::Set { variable, value })
        }
        _ => return Ok(None),
    }))
}

fn condition(cursor: &mut Cursor<'_>) -> Result<Expression, TemplateError> {
    open(cursor)?;
    let condition = expression(cursor)?;
    close(cursor)?;
    Ok(condition)
}

fn open(cursor: &mut Cursor<'_>) -> Result<(), TemplateError> {
    cursor.skip_space();
    cursor.expect("(")
}

fn close(cursor: &mut Cursor<'_>) -> Result<(), TemplateError> {
    cursor.skip_space();
    cursor.expect(")")
}

/// A plain name, such as what a loop or `#set` gives a value.
fn variable(cursor: &mut Cursor<'_>) -> Result<String, TemplateError> {
    cursor.skip_space();
    match reference(cursor)? {
        Some(reference) if reference.path.is_empty() && reference.otherwise.is_none() => Ok(reference.name),
        _ => Err(cursor.refuse("expected a plain name such as $x")),
    }
}
