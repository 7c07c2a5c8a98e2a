//! What a template is made of.

/// A piece of a template.
#[derive(Debug)]
pub(super) enum Node {
    /// Text as it stands.
    Text(String),
    /// What a name stands for.
    Reference(Reference),
    /// The first branch whose condition holds, or else the last part.
    If {
        /// Conditions with what they guard.
        branches: Vec<(Expression, Vec<Node>)>,
        /// What is shown if none holds.
        otherwise: Vec<Node>,
    },
    /// The body, once for each element.
    Foreach {
        /// The name of the element.
        variable: String,
        /// The elements.
        list: Expression,
        /// What is repeated.
        body: Vec<Node>,
    },
    /// Gives a name a value.
    Set {
        /// The name.
        variable: String,
        /// The value.
        value: Expression,
    },
    /// Leaves the innermost loop.
    Break,
    /// Ends the rendering.
    Stop,
}

/// A name and the way from it to a value.
#[derive(Debug)]
pub(super) struct Reference {
    /// As it is written, for when there is no such value.
    pub written: String,
    /// Whether nothing is shown when there is no such value.
    pub is_quiet: bool,
    /// The name.
    pub name: String,
    /// The steps from there.
    pub path: Vec<Access>,
    /// What is taken when there is no such value.
    pub otherwise: Option<Box<Expression>>,
}

/// One step from a value to a part of it.
#[derive(Debug)]
pub(super) enum Access {
    /// `.name`
    Member(String),
    /// `[expression]`
    Index(Expression),
    /// `.name(expression, …)`
    Call(String, Vec<Expression>),
}

/// What has a value.
#[derive(Debug)]
pub(super) enum Expression {
    Literal(serde_json::Value),
    /// A text in double quotes: a template of its own.
    Template(Vec<Node>),
    List(Vec<Expression>),
    /// `[a..b]`, both ends included.
    Range(Box<Expression>, Box<Expression>),
    Reference(Reference),
    Not(Box<Expression>),
    Binary(Box<Expression>, Operator, Box<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
    Over,
    Modulo,
}
