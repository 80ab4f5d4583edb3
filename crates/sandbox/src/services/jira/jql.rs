//! A part of the query language: clauses joined by AND (spec 02 §11.5).

use jiff::Timestamp;
use jiff::civil::Date;

use super::{model::Issue, state::State};

/// A query that was understood.
#[derive(Debug)]
pub(super) struct Query {
    clauses: Vec<Clause>,
    /// Field and whether descending.
    order: Option<(String, bool)>,
}

#[derive(Debug)]
struct Clause {
    field: String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Contains(String),
    Empty(bool),
    /// `changed to STATUS [after DATE]`.
    ChangedTo(String, Option<Date>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Sign(&'static str),
}

const FIELDS: [&str; 13] = [
    "project",
    "issuetype",
    "type",
    "status",
    "key",
    "issuekey",
    "id",
    "parent",
    "summary",
    "assignee",
    "labels",
    "target version",
    "priority",
];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if matches!(first, '"' | '\'') {
            let body = rest.get(1..).unwrap_or_default();
            let (inside, after) = body
                .split_once(first)
                .ok_or_else(|| format!("The quoted string '{body}' has not been completed."))?;
            tokens.push(Token::Quoted(inside.to_owned()));
            rest = after.trim_start();
            continue;
        }
        let sign = ["!=", "!~", "=", "~", "(", ")", ","].into_iter().find(|sign| rest.starts_with(sign));
        if let Some(sign) = sign {
            tokens.push(Token::Sign(sign));
            rest = rest.get(sign.len()..).unwrap_or_default().trim_start();
            continue;
        }
        let end = rest.find(|c: char| c.is_whitespace() || "=!~(),\"'".contains(c)).unwrap_or(rest.len());
        if end == 0 {
            return Err(format!("The character '{first}' is a reserved JQL character."));
        }
        let (word, after) = rest.split_at(end);
        tokens.push(Token::Word(word.to_owned()));
        rest = after.trim_start();
    }
    Ok(tokens)
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

impl Parser {
    fn keyword(&mut self, wanted: &str) -> bool {
        let found =
            matches!(self.tokens.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        if found {
            self.tokens.next();
        }
        found
    }

    fn sign(&mut self, wanted: &str) -> bool {
        let found = matches!(self.tokens.peek(), Some(Token::Sign(sign)) if *sign == wanted);
        if found {
            self.tokens.next();
        }
        found
    }

    fn operand(&mut self) -> Result<String, String> {
        match self.tokens.next() {
            Some(Token::Word(text) | Token::Quoted(text)) => Ok(text),
            other => Err(format!("Expecting a value but got {}", shown(other.as_ref()))),
        }
    }

    fn list(&mut self) -> Result<Vec<String>, String> {
        if !self.sign("(") {
            return Err(format!("Expecting '(' but got {}", shown(self.tokens.peek())));
        }
        let mut items = vec![self.operand()?];
        while self.sign(",") {
            items.push(self.operand()?);
        }
        if self.sign(")") { Ok(items) } else { Err("Expecting ',' or ')'".to_owned()) }
    }

    fn clause(&mut self) -> Result<Clause, String> {
        let field = self.operand()?.to_lowercase();
        if !FIELDS.contains(&field.as_str()) {
            return Err(format!("Field '{field}' does not exist or you do not have permission to view it."));
        }
        let test = if self.sign("=") {
            Test::In(vec![self.operand()?])
        } else if self.sign("!=") {
            Test::NotIn(vec![self.operand()?])
        } else if self.sign("~") {
            Test::Contains(self.operand()?)
        } else if self.keyword("in") {
            Test::In(self.list()?)
        } else if self.keyword("not") {
            if !self.keyword("in") {
                return Err("Expecting 'in' after 'not'".to_owned());
            }
            Test::NotIn(self.list()?)
        } else if self.keyword("is") {
            let negated = self.keyword("not");
            if !self.keyword("empty") && !self.keyword("null") {
                return Err("Expecting 'EMPTY' after 'is'".to_owned());
            }
            Test::Empty(!negated)
        } else if self.keyword("changed") {
            self.changed()?
        } else {
            return Err(format!(
                "Expecting operator but got {}. The valid operators are '=', '!=', '~', 'in', 'is', 'changed'.",
                shown(self.tokens.peek())
            ));
        };
        Ok(Clause { field, test })
    }

    fn changed(&mut self) -> Result<Test, String> {
        if !self.keyword("to") {
            return Err("Expecting 'to' after 'changed'".to_owned());
        }
        let status = self.operand()?;
        let after = if self.keyword("after") {
            let text = self.operand()?;
            Some(text.parse().map_err(|_| {
                format!("Date value '{text}' is invalid. Valid formats include: 'yyyy-MM-dd'.")
            })?)
        } else {
            None
        };
        Ok(Test::ChangedTo(status, after))
    }
}

fn shown(token: Option<&Token>) -> String {
    match token {
        Some(Token::Word(text) | Token::Quoted(text)) => format!("'{text}'"),
        Some(Token::Sign(sign)) => format!("'{sign}'"),
        None => "the end of the query".to_owned(),
    }
}

/// Reads a query; the error is what Jira says.
pub(super) fn parse(text: &str) -> Result<Query, String> {
    let error = |message: String| format!("Error in the JQL Query: {message}");
    let mut parser = Parser { tokens: tokens(text).map_err(error)?.into_iter().peekable() };
    let mut query = Query { clauses: Vec::new(), order: None };
    if parser.tokens.peek().is_none() {
        return Err(
            "Unbounded JQL queries are not allowed here. Please add a search restriction to your query."
                .to_owned(),
        );
    }
    loop {
        query.clauses.push(parser.clause().map_err(error)?);
        if parser.keyword("and") {
            continue;
        }
        if parser.keyword("order") {
            if !parser.keyword("by") {
                return Err(error("Expecting 'by' after 'order'".to_owned()));
            }
            let field = parser.operand().map_err(error)?.to_lowercase();
            if !matches!(field.as_str(), "key" | "created" | "updated") {
                return Err(error(format!("Field '{field}' cannot be used for ordering here")));
            }
            let descending = parser.keyword("desc");
            if !descending {
                parser.keyword("asc");
            }
            query.order = Some((field, descending));
        }
        return match parser.tokens.peek() {
            None => Ok(query),
            other => Err(error(format!("Expecting either 'OR' or 'AND' but got {}.", shown(other)))),
        };
    }
}

impl Query {
    /// What Jira says about names in the query that the site does not know: one message for each.
    pub(super) fn unknown_names(&self, state: &State) -> Vec<String> {
        let mut messages = Vec::new();
        for clause in &self.clauses {
            let values = match &clause.test {
                Test::In(values) | Test::NotIn(values) => values.as_slice(),
                Test::ChangedTo(status, _) => std::slice::from_ref(status),
                Test::Contains(_) | Test::Empty(_) => continue,
            };
            messages.extend(values.iter().filter_map(|value| unknown_name(state, &clause.field, value)));
        }
        messages
    }

    /// The issues that fit, in order.
    pub(super) fn run<'a>(&self, state: &'a State, now: Timestamp) -> Vec<&'a Issue> {
        let mut found: Vec<&Issue> = state
            .indexed(now)
            .filter(|issue| !issue.hidden && self.clauses.iter().all(|clause| clause.fits(state, issue)))
            .collect();
        match self.order.as_ref().map(|(field, descending)| (field.as_str(), *descending)) {
            Some((field, descending)) => {
                match field {
                    "created" => found.sort_by(|a, b| a.created.cmp(&b.created)),
                    "updated" => found.sort_by(|a, b| a.updated.cmp(&b.updated)),
                    _ => found.sort_by_key(|issue| issue.id),
                }
                if descending {
                    found.reverse();
                }
            }
            None => found.sort_by_key(|issue| std::cmp::Reverse(issue.id)),
        }
        found
    }
}

fn unknown_name(state: &State, field: &str, value: &str) -> Option<String> {
    let known = |name: &String| name.eq_ignore_ascii_case(value);
    let found = match field {
        "project" => state.project(&value.to_uppercase()).is_some(),
        "status" => state.projects.iter().flat_map(|p| &p.statuses).any(|s| known(&s.name)),
        "target version" => {
            let versions: Vec<&String> = state.projects.iter().flat_map(|p| &p.versions).collect();
            if versions.is_empty() || versions.into_iter().any(known) {
                return None;
            }
            return Some(format!("The value '{value}' does not exist for the field 'Target Version'."));
        }
        "issuetype" | "type" => state.projects.iter().flat_map(|p| &p.issue_types).any(known),
        "key" | "issuekey" | "id" | "parent" => {
            let hidden = state.visible(value).is_err();
            return hidden
                .then(|| format!("An issue with key '{value}' does not exist for field '{field}'."));
        }
        _ => true,
    };
    (!found).then(|| format!("The value '{value}' does not exist for the field '{field}'."))
}

impl Clause {
    fn fits(&self, state: &State, issue: &Issue) -> bool {
        let values = self.values(state, issue);
        let has = |wanted: &String| values.iter().any(|value| value.eq_ignore_ascii_case(wanted));
        match &self.test {
            Test::In(wanted) => wanted.iter().any(has),
            Test::NotIn(wanted) => !values.is_empty() && !wanted.iter().any(has),
            Test::Empty(empty) => values.is_empty() == *empty,
            Test::Contains(text) => {
                let words = |text: &str| -> Vec<String> {
                    text.to_lowercase()
                        .split(|c: char| !c.is_alphanumeric())
                        .filter(|word| !word.is_empty())
                        .map(str::to_owned)
                        .collect()
                };
                let present: Vec<String> = values.iter().flat_map(|value| words(value)).collect();
                words(text).iter().all(|word| present.contains(word))
            }
            Test::ChangedTo(status, after) => issue.changelog.iter().any(|entry| {
                let late = after.is_none_or(|date| {
                    entry
                        .created
                        .get(..10)
                        .and_then(|day| day.parse::<Date>().ok())
                        .is_some_and(|day| day >= date)
                });
                let to =
                    |value: &Option<String>| value.as_ref().is_some_and(|v| v.eq_ignore_ascii_case(status));
                late && entry.items.iter().any(|item| item.field == "status" && to(&item.to.1))
            }),
        }
    }

    fn values(&self, state: &State, issue: &Issue) -> Vec<String> {
        let id_of = |key: &String| state.issue(key).map(|issue| issue.id.to_string());
        match self.field.as_str() {
            "project" => {
                let id = state.project(&issue.project).map(|project| project.id.clone());
                id.into_iter().chain([issue.project.clone()]).collect()
            }
            "issuetype" | "type" => vec![issue.issue_type.clone()],
            "status" => vec![issue.status.clone()],
            "summary" => vec![issue.summary.clone()],
            "priority" => issue.priority.iter().cloned().collect(),
            "labels" => issue.labels.clone(),
            "assignee" => issue.assignee.iter().cloned().collect(),
            "parent" => issue.parent.iter().cloned().chain(issue.parent.iter().filter_map(id_of)).collect(),
            "target version" => issue
                .custom
                .get("customfield_10855")
                .and_then(|value| value.as_array())
                .into_iter()
                .flatten()
                .filter_map(|version| version.get("name")?.as_str().map(str::to_owned))
                .collect(),
            _ => {
                let own = [issue.key.clone(), issue.id.to_string()];
                own.into_iter().chain(issue.former_keys.iter().cloned()).collect()
            }
        }
    }
}
