//! References, and the expressions in directives.

use serde_json::{Number, Value};

use super::TemplateError;
use super::ast::{Access, Expression, Operator, Reference};
use super::cursor::Cursor;
use super::parse::whole;

/// The operators, those that bind least first; of one line, those that begin alike longest first.
const OPERATORS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or), ("or", Operator::Or)],
    &[("&&", Operator::And), ("and", Operator::And)],
    &[("==", Operator::Equal), ("!=", Operator::Unequal), ("eq", Operator::Equal), ("ne", Operator::Unequal)],
    &[
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
        ("le", Operator::LessOrEqual),
        ("ge", Operator::GreaterOrEqual),
        ("lt", Operator::Less),
        ("gt", Operator::Greater),
    ],
    &[("+", Operator::Plus), ("-", Operator::Minus)],
    &[("*", Operator::Times), ("/", Operator::Over), ("%", Operator::Modulo)],
];

/// The reference that stands here; `None`, and nothing read, if it is a dollar sign and no more.
pub(super) fn reference(cursor: &mut Cursor<'_>) -> Result<Option<Reference>, TemplateError> {
    let start = cursor.at();
    let read = reference_here(cursor, start)?;
    if read.is_none() {
        cursor.go(start);
    }
    Ok(read)
}

fn reference_here(cursor: &mut Cursor<'_>, start: usize) -> Result<Option<Reference>, TemplateError> {
    if !cursor.eat("$") {
        return Ok(None);
    }
    let is_quiet = cursor.eat("!");
    let is_braced = cursor.eat("{");
    let Some(name) = cursor.name() else { return Ok(None) };
    let (name, path) = (name.to_owned(), path(cursor)?);
    let mut otherwise = None;
    if is_braced {
        if cursor.eat("|") {
            otherwise = Some(Box::new(expression(cursor)?));
            cursor.skip_space();
        }
        if !cursor.eat("}") {
            return Ok(None);
        }
    }
    Ok(Some(Reference { written: cursor.since(start).to_owned(), is_quiet, name, path, otherwise }))
}

/// The steps behind a name. A dot before anything but a name ends a sentence.
fn path(cursor: &mut Cursor<'_>) -> Result<Vec<Access>, TemplateError> {
    let mut path = Vec::new();
    loop {
        let before = cursor.mark();
        if cursor.eat("[") {
            let Ok(index) = expression(cursor) else {
                cursor.reset(before);
                return Ok(path);
            };
            cursor.skip_space();
            if !cursor.eat("]") {
                cursor.reset(before);
                return Ok(path);
            }
            path.push(Access::Index(index));
            continue;
        }
        let name = if cursor.eat(".") { cursor.name() } else { None };
        let Some(name) = name else {
            cursor.reset(before);
            return Ok(path);
        };
        if cursor.eat("(") {
            path.push(Access::Call(name.to_owned(), expressions(cursor, ")")?));
        } else {
            path.push(Access::Member(name.to_owned()));
        }
    }
}

/// Expressions between commas, up to this sign.
fn expressions(cursor: &mut Cursor<'_>, end: &str) -> Result<Vec<Expression>, TemplateError> {
    let mut all = Vec::new();
    cursor.skip_space();
    if cursor.eat(end) {
        return Ok(all);
    }
    loop {
        all.push(expression(cursor)?);
        cursor.skip_space();
        if !cursor.eat(",") {
            cursor.expect(end)?;
            return Ok(all);
        }
    }
}

/// The expression that stands here.
pub(super) fn expression(cursor: &mut Cursor<'_>) -> Result<Expression, TemplateError> {
    binary(cursor, &OPERATORS)
}

fn binary(cursor: &mut Cursor<'_>, levels: &[&[(&str, Operator)]]) -> Result<Expression, TemplateError> {
    let Some((operators, tighter)) = levels.split_first() else { return unary(cursor) };
    let mut left = binary(cursor, tighter)?;
    let mut length = 0;
    while let Some(operator) = operator(cursor, operators) {
        // Each makes the tree one deeper.
        length += 1;
        cursor.sink()?;
        let right = binary(cursor, tighter)?;
        left = Expression::Binary(Box::new(left), operator, Box::new(right));
    }
    for _ in 0..length {
        cursor.rise();
    }
    Ok(left)
}

fn operator(cursor: &mut Cursor<'_>, operators: &[(&str, Operator)]) -> Option<Operator> {
    let before = cursor.at();
    cursor.skip_space();
    for (sign, operator) in operators {
        let follows_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if cursor.eat(sign) {
            let is_word = sign.starts_with(char::is_alphabetic);
            if !(is_word && cursor.peek().is_some_and(follows_name)) {
                return Some(*operator);
            }
            cursor.go(cursor.at() - sign.len());
        }
    }
    cursor.go(before);
    None
}

fn unary(cursor: &mut Cursor<'_>) -> Result<Expression, TemplateError> {
    cursor.sink()?;
    cursor.skip_space();
    let value = match cursor.peek() {
        Some('!') => {
            cursor.next();
            Expression::Not(Box::new(unary(cursor)?))
        }
        Some('(') => {
            cursor.next();
            let inner = expression(cursor)?;
            cursor.skip_space();
            cursor.expect(")")?;
            inner
        }
        Some('[') => {
            cursor.next();
            list(cursor)?
        }
        Some('"') => {
            let text = quoted(cursor, '"')?;
            if text.contains(['$', '#']) {
                Expression::Template(whole(&mut cursor.within(&text))?)
            } else {
                Expression::Literal(text.into())
            }
        }
        Some('\'') => Expression::Literal(quoted(cursor, '\'')?.into()),
        Some('$') => match reference(cursor)? {
            Some(reference) => Expression::Reference(reference),
            None => return Err(cursor.refuse("a name is missing behind '$'")),
        },
        Some(c) if c.is_ascii_digit() || c == '-' => number(cursor)?,
        _ => word(cursor)?,
    };
    cursor.rise();
    Ok(value)
}

fn list(cursor: &mut Cursor<'_>) -> Result<Expression, TemplateError> {
    let before = cursor.at();
    cursor.skip_space();
    if !cursor.eat("]") {
        let first = expression(cursor)?;
        cursor.skip_space();
        if cursor.eat("..") {
            let last = expression(cursor)?;
            cursor.skip_space();
            cursor.expect("]")?;
            return Ok(Expression::Range(Box::new(first), Box::new(last)));
        }
    }
    cursor.go(before);
    Ok(Expression::List(expressions(cursor, "]")?))
}

/// A text in quotes, in which a doubled quote is one.
fn quoted(cursor: &mut Cursor<'_>, quote: char) -> Result<String, TemplateError> {
    cursor.next();
    let mut text = String::new();
    loop {
        match cursor.next() {
            Some(c) if c != quote => text.push(c),
            Some(_) if cursor.peek() == Some(quote) => text.extend(cursor.next()),
            Some(_) => return Ok(text),
            None => return Err(cursor.refuse(format!("a text has no closing {quote}"))),
        }
    }
}

fn number(cursor: &mut Cursor<'_>) -> Result<Expression, TemplateError> {
    let start = cursor.at();
    cursor.eat("-");
    let digits = |cursor: &mut Cursor<'_>| {
        while cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
            cursor.next();
        }
    };
    digits(cursor);
    // The two dots of a range are none of the number's.
    if cursor.rest().starts_with('.') && cursor.rest().chars().nth(1).is_some_and(|c| c.is_ascii_digit()) {
        cursor.next();
        digits(cursor);
    }
    let text = cursor.since(start);
    let number = text.parse().ok().map(|n: i64| Number::from(n));
    let number = number.or_else(|| text.parse().ok().and_then(Number::from_f64));
    number.map(|n| Expression::Literal(Value::Number(n))).ok_or_else(|| cursor.refuse("expected a number"))
}

fn word(cursor: &mut Cursor<'_>) -> Result<Expression, TemplateError> {
    Ok(match cursor.name() {
        Some("true") => Expression::Literal(true.into()),
        Some("false") => Expression::Literal(false.into()),
        Some("null") => Expression::Literal(Value::Null),
        Some("not") => Expression::Not(Box::new(unary(cursor)?)),
        _ => return Err(cursor.refuse("expected a value")),
    })
}
