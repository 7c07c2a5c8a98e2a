//! `metadata_filter`: a condition on a session's metadata, written as after SQL's WHERE, read into the core's condition.
//!
//! Comparisons, `LIKE`, `IN`, `IS NULL`, `AND`, `OR`, `NOT` and parentheses; texts in single quotes, numbers, `true` and
//! `false`; a bare name is a member of the metadata, a path in double quotes one of an inner object, and `value IN name` asks
//! for an element of a list (the vendor's description of 2026-07-02).

use sederunt_core::condition::{Condition, Field, Operator, Scalar};
use sederunt_web::query::Query;
use serde_json::Number;
use winnow::Parser as _;
use winnow::ascii::{Caseless, digit1, multispace0};
use winnow::combinator::{alt, delimited, opt, peek, preceded, repeat, separated, terminated};
use winnow::error::{AddContext, ErrMode, ParserError};
use winnow::stream::Stream;
use winnow::token::{one_of, take_while};

use crate::failure::Failure;

/// The longest condition, in characters: the vendor's limit.
const LONGEST: usize = 8_000;

/// How deep parentheses and `NOT` may stand in each other.
const DEEPEST: u32 = 32;

const NAME: &str = "metadata_filter";

type Parsed<T> = winnow::ModalResult<T, Expected>;

/// The condition of the parameter, if there is one.
pub(crate) fn read(query: &Query) -> Result<Option<Condition>, Failure> {
    let Some(text) = query.get(NAME).filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    condition(text).map(Some).map_err(|why| Failure::invalid(NAME, format!("{NAME}: {why}")))
}

/// Reads a condition; what was expected where, if it is none.
fn condition(text: &str) -> Result<Condition, String> {
    if text.chars().nth(LONGEST).is_some() {
        return Err(format!("more than {LONGEST} characters"));
    }
    let mut input = text;
    let read = preceded(multispace0, |input: &mut &str| either(input, 0)).parse_next(&mut input);
    let wrong = match read {
        Ok(condition) if input.is_empty() => return Ok(condition),
        Ok(_) => Expected { left: input.len(), what: "AND, OR or the end" },
        Err(ErrMode::Backtrack(wrong) | ErrMode::Cut(wrong)) => wrong,
        Err(ErrMode::Incomplete(_)) => Expected { left: 0, what: "more" },
    };
    let before = text.get(..text.len().saturating_sub(wrong.left)).unwrap_or_default();
    Err(format!("expected {} at character {}", wrong.what, before.chars().count() + 1))
}

/// What is expected where nobody has said what.
const UNSAID: &str = "something else";

/// What should have stood where so much was left.
#[derive(Debug)]
struct Expected {
    left: usize,
    what: &'static str,
}

impl<'a> ParserError<&'a str> for Expected {
    type Inner = Self;

    fn from_input(input: &&'a str) -> Self {
        Self { left: input.len(), what: UNSAID }
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }
}

impl<'a> AddContext<&'a str, &'static str> for Expected {
    fn add_context(self, input: &&'a str, start: &<&'a str as Stream>::Checkpoint, what: &'static str) -> Self {
        // The innermost says it best.
        if self.what != UNSAID {
            return self;
        }
        let mut begun = *input;
        begun.reset(start);
        Self { left: begun.len(), what }
    }
}

fn either(input: &mut &str, depth: u32) -> Parsed<Condition> {
    series("or", Condition::Or, both, input, depth)
}

fn both(input: &mut &str, depth: u32) -> Parsed<Condition> {
    series("and", Condition::And, negated, input, depth)
}

/// One or more, with a word between them.
fn series(
    word: &'static str,
    join: fn(Vec<Condition>) -> Condition,
    each: fn(&mut &str, u32) -> Parsed<Condition>,
    input: &mut &str,
    depth: u32,
) -> Parsed<Condition> {
    let first = each(input, depth)?;
    let mut rest = Vec::new();
    while opt(keyword(word)).parse_next(input)?.is_some() {
        rest.push(each(input, depth).map_err(ErrMode::cut)?);
    }
    if rest.is_empty() {
        return Ok(first);
    }
    rest.insert(0, first);
    Ok(join(rest))
}

fn negated(input: &mut &str, depth: u32) -> Parsed<Condition> {
    if depth > DEEPEST {
        return Err(ErrMode::Cut(Expected { left: input.len(), what: "fewer parentheses and NOTs around" }));
    }
    if opt(keyword("not")).parse_next(input)?.is_some() {
        let inner = negated(input, depth + 1).map_err(ErrMode::cut)?;
        return Ok(Condition::Not(Box::new(inner)));
    }
    if opt(symbol("(")).parse_next(input)?.is_some() {
        let inner = either(input, depth + 1).map_err(ErrMode::cut)?;
        symbol(")").context("AND, OR or ')'").parse_next(input).map_err(ErrMode::cut)?;
        return Ok(inner);
    }
    alt((element, test)).context("a field name, a value, NOT or '('").parse_next(input)
}

/// `1 IN user_ids`
fn element(input: &mut &str) -> Parsed<Condition> {
    let value = scalar.parse_next(input)?;
    let negated = opt(keyword("not")).parse_next(input)?.is_some();
    keyword("in").context("IN").parse_next(input).map_err(ErrMode::cut)?;
    let field = field.context("a field name").parse_next(input).map_err(ErrMode::cut)?;
    Ok(turned(negated, Condition::Holds { field, value }))
}

/// A field, and what it shall be.
fn test(input: &mut &str) -> Parsed<Condition> {
    let field = field.parse_next(input)?;
    rest_of_test(field, input).map_err(ErrMode::cut)
}

fn rest_of_test(field: Field, input: &mut &str) -> Parsed<Condition> {
    if opt(keyword("is")).parse_next(input)?.is_some() {
        let negated = opt(keyword("not")).parse_next(input)?.is_some();
        keyword("null").context("NULL").parse_next(input)?;
        return Ok(turned(negated, Condition::IsNull { field }));
    }
    if let Some(operator) = opt(operator).parse_next(input)? {
        if opt(keyword("null")).parse_next(input)?.is_some() {
            // A comparison with nothing is neither true nor false: as one with a field that cannot be there.
            let (field, value) = (Field(Vec::new()), Scalar::Flag(true));
            return Ok(Condition::Compare { field, operator, value });
        }
        let value = scalar.context("a number, true, false, or a text in single quotes").parse_next(input)?;
        return Ok(Condition::Compare { field, operator, value });
    }
    let negated = opt(keyword("not")).parse_next(input)?.is_some();
    let like = opt(keyword("like")).parse_next(input)?.is_some();
    let condition = if like {
        let pattern = terminated(text, multispace0).context("a text in single quotes").parse_next(input)?;
        Condition::Like { field, pattern }
    } else {
        keyword("in").context("a comparison, LIKE, IN or IS").parse_next(input)?;
        symbol("(").context("'('").parse_next(input)?;
        let values = separated(1.., scalar, symbol(","));
        let values = values.context("values with commas between them").parse_next(input)?;
        symbol(")").context("',' or ')'").parse_next(input)?;
        Condition::In { field, values }
    };
    Ok(turned(negated, condition))
}

fn turned(negated: bool, condition: Condition) -> Condition {
    if negated { Condition::Not(Box::new(condition)) } else { condition }
}

fn operator(input: &mut &str) -> Parsed<Operator> {
    alt((
        symbol("<=").value(Operator::LessOrEqual),
        symbol(">=").value(Operator::GreaterOrEqual),
        symbol("<>").value(Operator::NotEqual),
        symbol("!=").value(Operator::NotEqual),
        symbol("=").value(Operator::Equal),
        symbol("<").value(Operator::Less),
        symbol(">").value(Operator::Greater),
    ))
    .parse_next(input)
}

fn scalar(input: &mut &str) -> Parsed<Scalar> {
    alt((
        keyword("true").value(Scalar::Flag(true)),
        keyword("false").value(Scalar::Flag(false)),
        terminated(number, multispace0).map(Scalar::Number),
        terminated(text, multispace0).map(Scalar::Text),
    ))
    .parse_next(input)
}

fn number(input: &mut &str) -> Parsed<Number> {
    let fraction = (".", digit1).void();
    let exponent = (one_of(['e', 'E']), opt(one_of(['+', '-'])), digit1).void();
    let written = (opt("-"), digit1, opt(fraction), opt(exponent), peek(end_of_word)).take();
    written.verify_map(|text: &str| text.parse().ok().or_else(|| plain(text))).parse_next(input)
}

/// A number that JSON would not write so: with zeros in front.
fn plain(text: &str) -> Option<Number> {
    match text.parse::<i64>() {
        Ok(whole) => Some(whole.into()),
        Err(_) => text.parse().ok().and_then(Number::from_f64),
    }
}

/// A text in single quotes; two of them stand for one in it.
fn text(input: &mut &str) -> Parsed<String> {
    quoted('\'', "''", "'").parse_next(input)
}

/// A name, or a dotted path in double quotes.
fn field(input: &mut &str) -> Parsed<Field> {
    let path = quoted('"', "\"\"", "\"").verify_map(|path: String| {
        let names: Vec<String> = path.split('.').map(str::to_owned).collect();
        (!names.iter().any(String::is_empty)).then_some(Field(names))
    });
    terminated(alt((path, name.map(|name: &str| Field(vec![name.to_owned()])))), multispace0).parse_next(input)
}

fn name<'a>(input: &mut &'a str) -> Parsed<&'a str> {
    let begins = one_of(|c: char| c.is_alphabetic() || c == '_');
    let word = (begins, take_while(0.., in_word)).take();
    word.verify(|name: &str| !RESERVED.iter().any(|word| name.eq_ignore_ascii_case(word))).parse_next(input)
}

/// Words that name a field only in double quotes.
const RESERVED: [&str; 9] = ["and", "or", "not", "in", "is", "like", "null", "true", "false"];

fn quoted<'a>(
    mark: char,
    doubled: &'static str,
    single: &'static str,
) -> impl winnow::Parser<&'a str, String, ErrMode<Expected>> {
    let plain = take_while(1.., move |c: char| c != mark);
    let inner = repeat(0.., alt((plain, doubled.value(single)))).fold(String::new, |mut text: String, piece: &str| {
        text.push_str(piece);
        text
    });
    delimited(single, inner, single)
}

fn keyword<'a>(word: &'static str) -> impl winnow::Parser<&'a str, (), ErrMode<Expected>> {
    (Caseless(word), peek(end_of_word), multispace0).void()
}

fn symbol<'a>(symbol: &'static str) -> impl winnow::Parser<&'a str, (), ErrMode<Expected>> {
    (symbol, multispace0).void()
}

/// That the word does not go on.
fn end_of_word(input: &mut &str) -> Parsed<()> {
    winnow::combinator::not(one_of(in_word)).parse_next(input)
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    fn meets(text: &str, data: Value) -> bool {
        let condition = condition(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        condition.meets(data.as_object().unwrap()) == Some(true)
    }

    #[test]
    fn each_form_says_what_it_says_in_sql() {
        let data = json!({"tier": "gold", "n": 5, "vip": true, "who": "O'Hara", "user_ids": [1, 2], "none": null,
            "profile": {"country": "US"}, "größe": 2.5, "in": 1});
        for text in [
            "tier = 'gold'",
            "tier='gold'AND n=5",
            "tier <> 'tin' and tier != 'tin'",
            "n < 6 and n <= 5 and n > 4.5 and n >= 05 and n > -1e3",
            "tier LIKE 'g%d' AND tier not like 'g_d'",
            "tier IN ('tin', 'gold') and n NOT IN (1,2)",
            "1 IN user_ids AND NOT 3 in user_ids and 3 not in user_ids",
            "none IS NULL and absent is null and tier IS NOT NULL",
            "vip = true and vip <> FALSE",
            "who = 'O''Hara'",
            "\"profile.country\" = 'US' and \"profile\" is not null",
            "größe > 2",
            "\"in\" = 1",
            "  ( ( n = 5 ) )  ",
            "not n = 4",
        ] {
            assert!(meets(text, data.clone()), "{text}");
        }
        for text in
            ["n = 'gold'", "tier = null", "not tier = NULL", "not absent = 1", "absent <> 1", "n = 5 and absent = 1"]
        {
            assert!(!meets(text, data.clone()), "{text}");
        }
    }

    #[test]
    fn not_binds_closer_than_and_which_binds_closer_than_or() {
        let data = json!({"a": 1, "b": 0, "c": 0});
        assert!(meets("a = 1 or b = 1 and c = 1", data.clone()));
        assert!(!meets("(a = 1 or b = 1) and c = 1", data.clone()));
        assert!(!meets("not a = 1 and b = 0", data.clone()));
        assert!(meets("not (a = 1 and b = 1)", data));
    }

    #[test]
    fn what_is_no_condition_is_told_where() {
        for (text, at) in [
            ("tier == 'gold'", "a number, true, false, or a text in single quotes at character 7"),
            ("tier = \"gold\"", "a number, true, false, or a text in single quotes at character 8"),
            ("tier = 'gold", "a number, true, false, or a text in single quotes at character 8"),
            ("tier", "a comparison, LIKE, IN or IS at character 5"),
            ("größe = 1 und", "AND, OR or the end at character 11"),
            ("a = 1 and", "a field name, a value, NOT or '(' at character 10"),
            ("(a = 1", "AND, OR or ')' at character 7"),
            ("a in ()", "values with commas between them at character 7"),
            ("a in (1", "',' or ')' at character 8"),
            ("a is 1", "NULL at character 6"),
            ("1 = a", "IN at character 3"),
            ("a = 1x", "a number, true, false, or a text in single quotes at character 5"),
            ("a.b = 1", "a comparison, LIKE, IN or IS at character 2"),
            ("\"a..b\" = 1", "a field name, a value, NOT or '(' at character 1"),
            ("; drop table sessions", "a field name, a value, NOT or '(' at character 1"),
        ] {
            assert_eq!(condition(text).unwrap_err(), format!("expected {at}"), "{text}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let nested = |depth: usize| format!("{}a = 1{}", "(".repeat(depth), ")".repeat(depth));
        assert!(condition(&nested(32)).is_ok());
        assert!(condition(&nested(33)).unwrap_err().contains("fewer parentheses"));
        assert!(condition(&"not ".repeat(1_900)).unwrap_err().contains("fewer parentheses"));
        let long = format!("a = '{}'", "x".repeat(LONGEST));
        assert_eq!(condition(&long).unwrap_err(), "more than 8000 characters");
        let wide = vec!["a = 1"; 800].join(" or ");
        assert!(matches!(condition(&wide), Ok(Condition::Or(all)) if all.len() == 800));
    }

    /// A condition as text, with parentheses around everything.
    fn written(condition: &Condition) -> String {
        let value = |value: &Scalar| match value {
            Scalar::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Scalar::Number(number) => number.to_string(),
            Scalar::Flag(flag) => flag.to_string(),
        };
        let field = |field: &Field| format!("\"{}\"", field.0.join(".").replace('"', "\"\""));
        let joined =
            |each: &[Condition], word: &str| format!("({})", each.iter().map(written).collect::<Vec<_>>().join(word));
        match condition {
            Condition::And(each) => joined(each, " AND "),
            Condition::Or(each) => joined(each, " OR "),
            Condition::Not(other) => format!("NOT ({})", written(other)),
            Condition::Compare { field: of, operator, value: with } => {
                let sign = match operator {
                    Operator::Equal => "=",
                    Operator::NotEqual => "<>",
                    Operator::Less => "<",
                    Operator::LessOrEqual => "<=",
                    Operator::Greater => ">",
                    Operator::GreaterOrEqual => ">=",
                };
                format!("{}{sign}{}", field(of), value(with))
            }
            Condition::Like { field: of, pattern } => {
                format!("{} LIKE {}", field(of), value(&Scalar::Text(pattern.clone())))
            }
            Condition::In { field: of, values } => {
                format!("{} IN ({})", field(of), values.iter().map(value).collect::<Vec<_>>().join(", "))
            }
            Condition::Holds { field: of, value: with } => format!("{} IN {}", value(with), field(of)),
            Condition::IsNull { field: of } => format!("{} IS NULL", field(of)),
        }
    }

    fn conditions() -> impl Strategy<Value = Condition> {
        use Operator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        let field = || proptest::collection::vec("[^.]{1,4}", 1..3).prop_map(Field);
        let value = || {
            prop_oneof![
                any::<String>().prop_map(Scalar::Text),
                any::<i64>().prop_map(|n| Scalar::Number(n.into())),
                any::<bool>().prop_map(Scalar::Flag),
            ]
        };
        let operator = proptest::sample::select(vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual]);
        let leaf = prop_oneof![
            (field(), operator, value()).prop_map(|(field, operator, value)| Condition::Compare {
                field,
                operator,
                value
            }),
            (field(), any::<String>()).prop_map(|(field, pattern)| Condition::Like { field, pattern }),
            (field(), proptest::collection::vec(value(), 1..4))
                .prop_map(|(field, values)| Condition::In { field, values }),
            (field(), value()).prop_map(|(field, value)| Condition::Holds { field, value }),
            field().prop_map(|field| Condition::IsNull { field }),
        ];
        leaf.prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 2..4).prop_map(Condition::And),
                proptest::collection::vec(inner.clone(), 2..4).prop_map(Condition::Or),
                inner.prop_map(|condition| Condition::Not(Box::new(condition))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(condition in conditions()) {
            let text = written(&condition);
            prop_assume!(text.chars().count() <= LONGEST);
            prop_assert_eq!(super::condition(&text), Ok(condition), "{}", text);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*", data in any::<bool>()) {
            if let Ok(condition) = condition(&text) {
                condition.meets(&Map::from_iter([("a".to_owned(), Value::from(data))]));
            }
        }
    }
}
