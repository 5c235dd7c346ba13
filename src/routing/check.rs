//! Finds mistakes in an expression when the policy is loaded: names that do not exist, words that a fact never takes,
//! facts that may be absent and are not guarded, and types that do not fit. Every part of the expression is evaluated on
//! sample facts, so that `a || b` cannot hide a mistake in `b`.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, Expr, LiteralValue, SelectExpr, operators};
use cel::objects::ValueType;
use cel::{Context, ExecutionError, IdedExpr, Program, Value};

use super::variables::{self, VARIABLES};
use crate::nlp::labels::{INTENTS, LabelKind, SignalKind};

/// What was found in one expression.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Why the policy is refused.
    pub(super) faults: Vec<String>,
    /// Worth a look.
    pub(super) warnings: Vec<String>,
    /// Signals that the expression asks for, in order.
    pub(super) signals: Vec<SignalKind>,
    /// Other labels that the expression asks for, in order.
    pub(super) labels: Vec<Facet>,
    /// Attributes that the expression reads.
    pub(super) attributes: BTreeSet<String>,
}

/// A label that a rule asks for; any of its kind when it names none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facet {
    pub(super) kind: LabelKind,
    pub(super) name: Option<String>,
}

/// Names and words, without evaluating. `defined` are the policy's own names.
pub(super) fn names(program: &Program, defined: &BTreeSet<String>) -> Findings {
    let mut walk = Walk {
        defined,
        bound: Vec::new(),
        negated: false,
        guarded: BTreeSet::new(),
        optional: BTreeSet::new(),
        found: Findings::default(),
    };
    walk.expr(program.expression());
    for path in walk.optional.difference(&walk.guarded) {
        walk.found.faults.push(format!("`{path}` may be absent: write `has({path}) && …`"));
    }
    walk.found
}

/// Types, by evaluating every part on sample facts. The first fault found, if any.
pub(super) fn types(program: &Program, context: &Context<'_, '_>) -> Result<(), String> {
    evaluate_parts(program.expression(), context)
}

struct Walk<'a> {
    defined: &'a BTreeSet<String>,
    bound: Vec<String>,
    negated: bool,
    guarded: BTreeSet<String>,
    optional: BTreeSet<String>,
    found: Findings,
}

impl Walk<'_> {
    fn expr(&mut self, expr: &IdedExpr) {
        match &expr.expr {
            Expr::Ident(name) => self.path(name, false),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => list.elements.iter().for_each(|element| self.expr(element)),
            Expr::Map(_) | Expr::Struct(_) => {
                self.found.faults.push("maps and messages cannot be written in a condition".to_owned());
            }
            Expr::Comprehension(loops) => {
                self.expr(&loops.iter_range);
                self.expr(&loops.accu_init);
                let before = self.bound.len();
                self.bound.extend([loops.iter_var.clone(), loops.accu_var.clone()]);
                self.bound.extend(loops.iter_var2.clone());
                self.expr(&loops.loop_cond);
                self.expr(&loops.loop_step);
                self.expr(&loops.result);
                self.bound.truncate(before);
            }
            Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn select(&mut self, select: &SelectExpr) {
        match path_of(&select.operand) {
            Some(operand) => self.path(&format!("{operand}.{}", select.field), select.test),
            None => self.expr(&select.operand),
        }
    }

    fn path(&mut self, path: &str, guard: bool) {
        let root = path.split('.').next().unwrap_or(path);
        if self.bound.iter().any(|name| name == root) || self.defined.contains(root) {
            return;
        }
        let short = variables::plain(path);
        if let Some(variable) = variables::lookup(path) {
            if guard {
                self.guarded.insert(short.to_owned());
            } else if variable.optional {
                self.optional.insert(short.to_owned());
            }
            return;
        }
        let group = format!("{short}.");
        if variables::is_root(short) || VARIABLES.iter().any(|variable| variable.path.starts_with(&group)) {
            return;
        }
        let (map, key) = short.rsplit_once('.').unwrap_or(("", short));
        match map {
            "attributes" => self.attribute(key, guard),
            "signal" | "signal_confidence" => self.signal_key(key),
            "emotion" => self.word("emotions", key),
            _ => {
                let near = nearest(short, VARIABLES.iter().map(|variable| variable.path));
                self.found.faults.push(format!("there is no fact `{path}`{near}"));
            }
        }
    }

    fn attribute(&mut self, key: &str, guard: bool) {
        self.found.attributes.insert(key.to_owned());
        let path = format!("attributes.{key}");
        if guard {
            self.guarded.insert(path)
        } else {
            self.optional.insert(path)
        };
    }

    fn signal_key(&mut self, key: &str) {
        self.word("signals", key);
        self.signal(key);
    }

    fn signal(&mut self, name: &str) {
        let kind =
            SignalKind::from_name(name).filter(|kind| !self.negated && !self.found.signals.contains(kind));
        self.found.signals.extend(kind);
    }

    fn call(&mut self, call: &CallExpr) {
        let args = || call.target.as_deref().into_iter().chain(&call.args);
        let operands: Vec<&IdedExpr> = args().collect();
        match (call.func_name.as_str(), operands.as_slice()) {
            (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => {
                self.compare(left, right);
                self.compare(right, left);
            }
            (operators::IN, [item, list]) => {
                self.compare(list, item);
                self.compare(item, list);
                if let (Some(key), Some("attributes")) =
                    (literal(item), path_of(list).as_deref().map(variables::plain))
                {
                    self.attribute(key, true);
                }
            }
            (operators::INDEX, [map, key]) => {
                if let (Some(map), Some(key)) = (path_of(map), literal(key)) {
                    match variables::plain(&map) {
                        "attributes" => self.attribute(key, false),
                        "signal" | "signal_confidence" => self.signal_key(key),
                        "emotion" => self.word("emotions", key),
                        "intent_confidence" => self.intent(key),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        let before = self.negated;
        self.negated ^= call.func_name == operators::LOGICAL_NOT;
        operands.iter().for_each(|operand| self.expr(operand));
        self.negated = before;
    }

    /// `fact` on one side, words on the other.
    fn compare(&mut self, fact: &IdedExpr, words: &IdedExpr) {
        let Some(path) = path_of(fact) else { return };
        let path = variables::plain(&path).to_owned();
        let words: Vec<&str> = match &words.expr {
            Expr::List(list) => list.elements.iter().filter_map(literal).collect(),
            _ => literal(words).into_iter().collect(),
        };
        for word in words {
            match path.as_str() {
                "intent" | "intents" => self.intent(word),
                "signals" => self.signal_key(word),
                _ => self.word(&path, word),
            }
        }
    }

    fn label(&mut self, kind: LabelKind, name: &str) {
        let facet = Facet { kind, name: Some(name.to_owned()) };
        if !self.negated && !self.found.labels.contains(&facet) {
            self.found.labels.push(facet);
        }
    }

    fn word(&mut self, path: &str, word: &str) {
        match path {
            "sentiment" | "sentiment.label" => self.label(LabelKind::Sentiment, word),
            "emotions" => self.label(LabelKind::Emotion, word),
            "stage" => self.label(LabelKind::Stage, word),
            _ => {}
        }
        let Some(domain) = variables::lookup(path).and_then(|variable| variable.domain) else { return };
        let known = domain();
        if !known.contains(&word) {
            let near = nearest(word, known.iter().copied());
            self.found.faults.push(format!("`{path}` is never \"{word}\"{near}"));
        }
    }

    fn intent(&mut self, name: &str) {
        if !name.is_empty() {
            self.label(LabelKind::Intent, name);
        }
        if !name.is_empty() && !INTENTS.contains(&name) {
            let near = nearest(name, INTENTS);
            self.found
                .warnings
                .push(format!("\"{name}\" is no core intent{near}; fine if it is one of your own"));
        }
    }
}

/// `a.b.c` as it is written, if the expression is such a path.
fn path_of(expr: &IdedExpr) -> Option<String> {
    match &expr.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => {
            Some(format!("{}.{}", path_of(&select.operand)?, select.field))
        }
        _ => None,
    }
}

fn literal(expr: &IdedExpr) -> Option<&str> {
    match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// Evaluates every call and every path, the innermost first.
fn evaluate_parts(expr: &IdedExpr, context: &Context<'_, '_>) -> Result<(), String> {
    match &expr.expr {
        Expr::Call(call) => {
            let operands: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
            for operand in &operands {
                evaluate_parts(operand, context)?;
            }
            check_call(call, &operands, context)?;
        }
        Expr::List(list) => {
            for element in &list.elements {
                evaluate_parts(element, context)?;
            }
        }
        Expr::Comprehension(loops) => {
            evaluate_parts(&loops.iter_range, context)?;
            evaluate_parts(&loops.accu_init, context)?;
            let first = match resolve(&loops.iter_range, context)? {
                Value::List(list) => list.first().cloned(),
                Value::Map(map) => map.map.keys().next().map(Value::from),
                other => return Err(format!("cannot go through a value of type {}", other.type_of())),
            };
            if let Some(first) = first {
                let mut inner = context.new_inner_scope();
                inner.add_variable_from_value(loops.iter_var.as_str(), first);
                inner.add_variable_from_value(loops.accu_var.as_str(), resolve(&loops.accu_init, context)?);
                for part in [&loops.loop_cond, &loops.loop_step, &loops.result] {
                    evaluate_parts(part, &inner)?;
                }
            }
        }
        _ => {}
    }
    resolve(expr, context).map(drop)
}

fn check_call(call: &CallExpr, operands: &[&IdedExpr], context: &Context<'_, '_>) -> Result<(), String> {
    let kinds = operands.iter().map(|operand| Ok(resolve(operand, context)?.type_of()));
    match call.func_name.as_str() {
        operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT => {
            for kind in kinds {
                let kind: ValueType = kind?;
                if !matches!(kind, ValueType::Bool) {
                    return Err(format!("`&&`, `||` and `!` need true or false, not a {kind}"));
                }
            }
        }
        operators::EQUALS | operators::NOT_EQUALS => {
            let kinds: Vec<String> = kinds.map(|kind| kind.map(family)).collect::<Result<_, String>>()?;
            if let [left, right] = kinds.as_slice()
                && left != right
            {
                return Err(format!("a {left} is never equal to a {right}"));
            }
        }
        operators::IN => {
            if let [item, list] = operands
                && let Value::List(list) = resolve(list, context)?
                && let Some(first) = list.first()
            {
                let (item, element) = (family(resolve(item, context)?.type_of()), family(first.type_of()));
                if item != element {
                    return Err(format!("a {item} is never in a list of type {element}"));
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// Numbers of any kind compare with each other.
fn family(kind: ValueType) -> String {
    match kind {
        ValueType::Int | ValueType::UInt | ValueType::Float => "number".to_owned(),
        other => other.to_string(),
    }
}

fn resolve(expr: &IdedExpr, context: &Context<'_, '_>) -> Result<Value, String> {
    Value::resolve(expr, context).map_err(|error| explain(&error))
}

/// An evaluation error in the words of the one who wrote the rule.
pub(super) fn explain(error: &ExecutionError) -> String {
    match error {
        ExecutionError::UndeclaredReference(name) => format!("there is no fact or function `{name}`"),
        ExecutionError::NoSuchKey(key) => format!("there is no `{key}` here; guard it with `has(…)`"),
        ExecutionError::NoSuchOverload(overload) => {
            let types = overload.argument_types().join(" and ");
            let function = overload.function().trim_matches(|c| c == '_' || c == '@');
            format!("`{function}` does not work on {types}")
        }
        other => other.to_string(),
    }
}

/// ` (did you mean …?)` if something is close.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let limit = (name.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit && !candidate.is_empty())
        .min()
        .map_or_else(String::new, |(_, candidate)| format!(" (did you mean `{candidate}`?)"))
}

/// Levenshtein distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut corner = i;
        let mut last = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(&right) {
            let value = (corner + usize::from(a != *b)).min(*cell + 1).min(last + 1);
            corner = std::mem::replace(cell, value);
            last = value;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
