//! Containers, as far as they reference secrets and say where they send data.

use serde::Deserialize;

use super::decode::list;
use super::telling::Telling;
use super::variables::{telling_variables, telling_words};

/// A container, as far as it references secrets and says where it sends data.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Single variables, of those only that reference something or may say where data goes.
    #[serde(default, deserialize_with = "telling_variables")]
    pub env: Vec<Env>,
    /// Its command, where that may say where data goes.
    #[serde(default, deserialize_with = "telling_words")]
    pub command: Vec<String>,
    /// Its arguments, the same.
    #[serde(default, deserialize_with = "telling_words")]
    pub args: Vec<String>,
    /// What runs before it stops and after it starts.
    pub lifecycle: Option<Box<Lifecycle>>,
    /// How it is known to be alive.
    pub liveness_probe: Option<Box<Hook>>,
    /// How it is known to be ready.
    pub readiness_probe: Option<Box<Hook>>,
    /// How it is known to have started.
    pub startup_probe: Option<Box<Hook>>,
    /// Whole maps of variables.
    #[serde(default, deserialize_with = "list")]
    pub env_from: Vec<EnvFrom>,
}

/// What runs around a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lifecycle {
    /// After it starts.
    pub post_start: Option<Hook>,
    /// Before it stops.
    pub pre_stop: Option<Hook>,
}

/// Something that runs around a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// A command.
    pub exec: Option<HookCommand>,
    /// A request.
    pub http_get: Option<HookRequest>,
}

/// A command.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct HookCommand {
    /// The command, where it may say where data goes.
    #[serde(default, deserialize_with = "telling_words")]
    pub command: Vec<String>,
}

/// A request.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct HookRequest {
    /// To which host; the pod itself where it names none.
    pub host: Option<String>,
}

/// An environment variable: small, since a pod may carry hundreds that are kept for their form alone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Env {
    /// Its name, and behind that its value.
    text: Box<str>,
    /// Where the value begins.
    value: usize,
    /// Where the value comes from, if it is not told here.
    pub value_from: Option<Box<EnvSource>>,
    /// Why its value may say where data goes.
    pub telling: Telling,
}

impl Env {
    /// One whose value may say where data goes.
    pub fn told(name: &str, value: &str, telling: Telling) -> Self {
        Self { text: [name, value].concat().into(), value: name.len(), value_from: None, telling }
    }

    /// One whose value comes from elsewhere.
    pub fn referring(name: &str, source: EnvSource) -> Self {
        let value_from = Some(Box::new(source));
        Self { text: name.into(), value: name.len(), value_from, telling: Telling::default() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.text[..self.value]
    }

    /// Its value, if that is told here.
    pub fn value(&self) -> Option<&str> {
        self.value_from.is_none().then(|| &self.text[self.value..])
    }
}

/// Where the value of a variable comes from.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvSource {
    /// A key of a secret.
    pub secret_key_ref: Option<SecretName>,
    /// A key of a config map.
    pub config_map_key_ref: Option<ConfigMapName>,
    /// A field of the pod.
    pub field_ref: Option<FieldName>,
}

/// A field of the pod.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldName {
    /// Its path.
    #[serde(default)]
    pub field_path: String,
}

/// A source of several variables.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvFrom {
    /// A secret.
    pub secret_ref: Option<SecretName>,
    /// A config map.
    pub config_map_ref: Option<ConfigMapName>,
}

/// The name of a config map.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct ConfigMapName {
    /// The name.
    #[serde(default)]
    pub name: String,
}

/// The name of a secret.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct SecretName {
    /// The name.
    #[serde(default)]
    pub name: String,
}
