//! Variables, commands and arguments of containers: those that may say where data goes, of what may be hundreds.

use std::borrow::Cow;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::container::{Env, EnvSource};
use super::decode::list;
use super::telling::{is_like_region, is_secret, may_tell, names_what_tells, telling};

/// The variables of a container as they are read: those that reference something or may say where data goes, of what may be
/// hundreds that do neither, and what all of them stand for, of which others and arguments may be made.
#[derive(Default)]
pub struct Variables<'a> {
    pub kept: Vec<Env>,
    all: Vec<(Cow<'a, str>, Set<'a>)>,
    room: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Variables<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Variables<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of variables")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Variables::default())
            }

            fn visit_none<E>(self) -> Result<Self::Value, E> {
                Ok(Variables::default())
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                deserializer.deserialize_seq(self)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut variables = Variables { room: FILLED, ..Variables::default() };
                while let Some(variable) = list.next_element()? {
                    variables.add(variable);
                }
                Ok(variables)
            }
        }
        deserializer.deserialize_option(List)
    }
}

impl<'a> Variables<'a> {
    fn add(&mut self, Variable { name: Text(name), value, value_from }: Variable<'a>) {
        let value = value.map(|Text(value)| filled(value, &self.all, &mut self.room));
        self.all.push((name.clone(), Set::by(value.as_ref(), value_from.as_ref())));
        let refers = |source: &EnvSource| source.secret_key_ref.is_some() || source.config_map_key_ref.is_some();
        if let Some(source) = value_from.filter(refers) {
            self.kept.push(Env::referring(&name, source));
        } else if let Some(value) = value
            && let Some(telling) = telling(&name, &value)
        {
            self.kept.push(Env::told(&name, &value, telling));
        }
    }

    /// Commands and arguments as the container gets them, in their order; none if no one may say where data goes.
    pub fn telling_words(&mut self, mut words: Vec<String>) -> Vec<String> {
        for word in words.iter_mut().filter(|word| word.contains("$(")) {
            *word = filled(Cow::Owned(std::mem::take(word)), &self.all, &mut self.room).into_owned();
        }
        only_telling(words)
    }
}

/// A variable as it is read: most are not kept.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Variable<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow)]
    value: Option<Text<'a>>,
    value_from: Option<EnvSource>,
}

#[derive(Default, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// How many bytes the variables of a container may gain by what others stand for; beyond that they stay as they are written.
const FILLED: usize = 16 << 10;
/// How many variables back one is looked for.
const NEAR: usize = 1_000;

/// What a variable stands for.
enum Set<'a> {
    /// A text.
    To(Cow<'a, str>),
    /// The address of the pod or of its node.
    Here,
    /// The namespace of the pod.
    Namespace,
    /// What is not told here.
    Unknown,
}

impl<'a> Set<'a> {
    /// By the value of the variable, and where that comes from.
    fn by(value: Option<&Cow<'a, str>>, from: Option<&EnvSource>) -> Self {
        if let Some(source) = from {
            let field = source.field_ref.as_ref().map_or("", |field| field.field_path.as_str());
            return match field {
                "status.hostIP" | "status.podIP" => Self::Here,
                "metadata.namespace" => Self::Namespace,
                _ => Self::Unknown,
            };
        }
        // A variable without a value is empty.
        Self::To(value.cloned().unwrap_or_default())
    }
}

/// A value with what each `$(NAME)` in it stands for, as the container gets it. What is not told stays as it is written, and
/// so is filled in later.
fn filled<'a>(text: Cow<'a, str>, before: &[(Cow<'_, str>, Set<'_>)], room: &mut usize) -> Cow<'a, str> {
    if !text.contains("$(") {
        return text;
    }
    let joins = |one: char| one.is_ascii_alphanumeric() || "_.-$()[]".contains(one);
    let mut filled = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some(at) = rest.find("$(") {
        let (ahead, reference) = rest.split_at(at);
        filled.push_str(ahead);
        // `$$(NAME)` stands for itself.
        let Some(end) = reference.find(')').filter(|_| !ahead.ends_with('$')) else {
            filled.push_str("$(");
            rest = &reference["$(".len()..];
            continue;
        };
        let name = &reference["$(".len()..end];
        rest = &reference[end + 1..];
        let set = before.iter().rev().take(NEAR).find(|(known, _)| **known == *name).map(|(_, set)| set);
        match set {
            // What is a secret itself is told nowhere.
            Some(Set::To(value)) if value.len() <= *room && !is_secret(name) => {
                *room -= value.len();
                filled.push_str(value);
            }
            // As a part of a longer word it is no address.
            Some(Set::Here) if !filled.ends_with(joins) && !rest.starts_with(joins) => filled.push_str("localhost"),
            // A service of the pod's own namespace is called by its name alone.
            Some(Set::Namespace) if filled.ends_with('.') && service(rest).is_some() => {
                filled.pop();
                rest = service(rest).unwrap_or(rest);
            }
            _ => filled.push_str(&reference[..=end]),
        }
    }
    filled.push_str(rest);
    Cow::Owned(filled)
}

/// What follows the end of a service's name, behind its namespace.
fn service(text: &str) -> Option<&str> {
    let text = text.strip_prefix(".svc")?;
    let text = text.strip_prefix(".cluster.local").unwrap_or(text);
    (text.is_empty() || text.starts_with([':', '/'])).then_some(text)
}

/// The words of a command of which one may say where data goes, in their order; none if no one does.
pub fn telling_words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(deserializer).map(only_telling)
}

fn only_telling(mut words: Vec<String>) -> Vec<String> {
    // A host may stand anywhere in a command, and has a dot.
    let region = |word: &String| word.split(|one: char| one.is_whitespace() || "=,;".contains(one)).any(is_like_region);
    if !words.iter().any(|word| word.contains('.') || names_what_tells(word) || region(word) || may_tell("", word)) {
        words.clear();
    }
    words
}
