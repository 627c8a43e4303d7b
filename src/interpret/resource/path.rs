//! Paths into objects, as interpreters write them: `spec.storages.*.s3.region`, `metadata.annotations["a.b/c"]`; with a
//! `~` at the end the keys of a map rather than their values.

use std::fmt::Write;

use serde_json::Value;

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// The value under a key.
    Key(String),
    /// Each element of a list.
    Each,
    /// Each value of a map.
    Any,
}

/// A path into an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path {
    /// Whether it starts at the root of the object rather than where a destination stands.
    pub rooted: bool,
    /// Whether the keys of the maps to which it leads are meant.
    pub keys: bool,
    steps: Vec<Step>,
}

/// Deeper objects than any API server takes.
const DEEPEST: usize = 64;

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (rooted, mut rest) = match text.strip_prefix("$.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let keys = rest.strip_suffix(".~");
        rest = keys.unwrap_or(rest);
        let keys = keys.is_some();
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if steps.len() >= DEEPEST {
                return Err("is too long".to_owned());
            }
            rest = rest.strip_prefix('.').filter(|_| !steps.is_empty()).unwrap_or(rest);
            if let Some(after) = rest.strip_prefix("[]") {
                steps.push(Step::Each);
                rest = after;
            } else if let Some(after) = rest.strip_prefix("[\"") {
                let (key, after) = after.split_once("\"]").ok_or("has a quote that does not end")?;
                steps.push(Step::Key(key.to_owned()));
                rest = after;
            } else {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                let (key, after) = rest.split_at(end);
                match key {
                    "" => return Err(format!("has nothing before {rest:?}")),
                    "*" => steps.push(Step::Any),
                    key if key.contains([']', '*', '"', ' ', '~']) => return Err(format!("has the odd key {key:?}")),
                    key => steps.push(Step::Key(key.to_owned())),
                }
                rest = after;
            }
        }
        Ok(Self { rooted, keys, steps })
    }

    /// Visits every value to which the path leads, with its place as a person would write it.
    pub fn visit<'v>(&self, here: &Spot<'v>, root: &'v Value, visit: &mut dyn FnMut(Spot<'v>)) {
        let start = if self.rooted { Spot::root(root) } else { here.clone() };
        walk(&self.steps, start, visit);
    }

    /// Every value to which the path leads.
    pub fn all<'v>(&self, here: &Spot<'v>, root: &'v Value) -> Vec<Spot<'v>> {
        let mut found = Vec::new();
        self.visit(here, root, &mut |spot| found.push(spot));
        found
    }

    /// Every scalar to which the path leads, those of lists included, or every key that it means.
    pub fn scalars(&self, here: &Spot<'_>, root: &Value) -> Vec<(String, String)> {
        let mut all = Vec::new();
        self.visit(here, root, &mut |spot| match spot.value {
            Value::Object(map) if self.keys => {
                all.extend(map.iter().map(|(key, value)| (spot.key(key, value).field, key.clone())));
            }
            _ if self.keys => {}
            Value::Array(list) => all.extend(
                list.iter()
                    .enumerate()
                    .filter_map(|(position, value)| Some((spot.element(position, value).field, text(value)?))),
            ),
            value => all.extend(text(value).map(|text| (spot.field.clone(), text))),
        });
        all
    }

    /// The text of the first value to which the path leads.
    pub fn text(&self, here: &Spot<'_>, root: &Value) -> Option<String> {
        self.all(here, root).iter().find_map(|spot| text(spot.value)).filter(|text| !text.is_empty())
    }
}

/// A value in an object, and where it stands.
#[derive(Debug, Clone)]
pub struct Spot<'v> {
    /// The place, as in `spec.storages.eu.s3.region`; empty for the root.
    pub field: String,
    /// The value.
    pub value: &'v Value,
}

impl<'v> Spot<'v> {
    /// The whole object.
    pub fn root(value: &'v Value) -> Self {
        Self { field: String::new(), value }
    }

    /// The value under a key.
    #[must_use]
    pub fn key(&self, key: &str, value: &'v Value) -> Self {
        let mut field = self.field.clone();
        if key.contains(['.', '/', '[', ' ']) || key.is_empty() {
            let _ = write!(field, "[\"{key}\"]");
        } else {
            if !field.is_empty() {
                field.push('.');
            }
            field.push_str(key);
        }
        Self { field, value }
    }

    /// An element of a list.
    #[must_use]
    pub fn element(&self, position: usize, value: &'v Value) -> Self {
        Self { field: format!("{}[{position}]", self.field), value }
    }
}

fn walk<'v>(steps: &[Step], spot: Spot<'v>, visit: &mut dyn FnMut(Spot<'v>)) {
    let Some((step, rest)) = steps.split_first() else { return visit(spot) };
    match (step, spot.value) {
        (Step::Key(key), Value::Object(map)) => {
            if let Some(value) = map.get(key) {
                walk(rest, spot.key(key, value), visit);
            }
        }
        (Step::Each, Value::Array(list)) => {
            for (position, value) in list.iter().enumerate() {
                walk(rest, spot.element(position, value), visit);
            }
        }
        (Step::Any, Value::Object(map)) => {
            for (key, value) in map {
                walk(rest, spot.key(key, value), visit);
            }
        }
        _ => {}
    }
}

/// A scalar as text.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// The tokens of a JSON pointer to a place as `Spot` writes it.
pub fn tokens(field: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = field;
    while !rest.is_empty() {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if let Some((key, after)) = rest.strip_prefix("[\"").and_then(|after| after.split_once("\"]")) {
            tokens.push(key.to_owned());
            rest = after;
        } else if let Some((position, after)) = rest.strip_prefix('[').and_then(|after| after.split_once(']')) {
            tokens.push(position.to_owned());
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end.max(1).min(rest.len()));
            tokens.push(key.to_owned());
            rest = after;
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(path: &str, value: &Value) -> Vec<String> {
        let found = Path::parse(path).unwrap().all(&Spot::root(value), value);
        found.into_iter().map(|spot| spot.field).collect()
    }

    #[test]
    fn paths_lead_into_lists_maps_and_keys_with_dots() {
        let object = json!({
            "spec": {"a": [{"b": 1}, {"b": 2}, {"c": 3}], "m": {"x": {"r": 1}, "y.z": {"r": 2}}},
            "metadata": {"annotations": {"a.b/c": "v"}},
        });
        assert_eq!(fields("spec.a[].b", &object), ["spec.a[0].b", "spec.a[1].b"]);
        assert_eq!(fields("spec.m.*.r", &object), ["spec.m.x.r", "spec.m[\"y.z\"].r"]);
        assert_eq!(fields("metadata.annotations[\"a.b/c\"]", &object), ["metadata.annotations[\"a.b/c\"]"]);
        assert_eq!(fields("spec.none", &object), [""; 0]);
        assert_eq!(fields("", &object), [""]);
        for field in ["spec.a[1].b", "spec.m[\"y.z\"].r", "metadata.annotations[\"a.b/c\"]"] {
            let tokens: Vec<String> = tokens(field).iter().map(|one| one.replace('/', "~1")).collect();
            let pointer = format!("/{}", tokens.join("/"));
            assert!(object.pointer(&pointer).is_some(), "{field} {pointer}");
        }
    }

    #[test]
    fn a_path_may_mean_the_keys_of_a_map() {
        let object = json!({"to": {"eu/*": 80, "us": 20}, "list": ["a", "b"]});
        let found = |path: &str| Path::parse(path).unwrap().scalars(&Spot::root(&object), &object);
        let pair = |field: &str, text: &str| (field.to_owned(), text.to_owned());
        assert_eq!(found("to.~"), [pair("to[\"eu/*\"]", "eu/*"), pair("to.us", "us")]);
        assert_eq!(found("to.*"), [pair("to[\"eu/*\"]", "80"), pair("to.us", "20")]);
        assert_eq!(found("list"), [pair("list[0]", "a"), pair("list[1]", "b")]);
        assert_eq!(found("list.~"), []);
    }

    #[test]
    fn a_path_may_start_at_the_root() {
        let object = json!({"spec": {"a": {"b": 1}}, "x": "y"});
        let here = Path::parse("spec.a").unwrap().all(&Spot::root(&object), &object).remove(0);
        assert_eq!(Path::parse("$.x").unwrap().text(&here, &object).as_deref(), Some("y"));
        assert_eq!(Path::parse("b").unwrap().text(&here, &object).as_deref(), Some("1"));
    }

    #[test]
    fn what_is_no_path_is_named() {
        for bad in ["a..b", "[", "a[0]", "a[\"b", "a b", "a.~.b", "~"] {
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
    }
}
