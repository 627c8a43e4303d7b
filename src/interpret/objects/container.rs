//! Containers, as far as they reference secrets and say where they send data.

use serde::{Deserialize, Deserializer};

use super::decode::list;
use super::telling::Telling;
use super::variables::{Variables, telling_words};

/// A container, as far as it references secrets and says where it sends data.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Container {
    /// Single variables, of those only that reference something or may say where data goes.
    pub env: Vec<Env>,
    /// Its command, where that may say where data goes, with what its variables stand for.
    pub command: Vec<String>,
    /// Its arguments, the same.
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
    pub env_from: Vec<EnvFrom>,
}

/// A container as it is written: its variables may stand behind what is made of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    #[serde(borrow, default)]
    env: Variables<'a>,
    #[serde(default, deserialize_with = "list")]
    command: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    args: Vec<String>,
    lifecycle: Option<Box<Lifecycle>>,
    liveness_probe: Option<Box<Hook>>,
    readiness_probe: Option<Box<Hook>>,
    startup_probe: Option<Box<Hook>>,
    #[serde(default, deserialize_with = "list")]
    env_from: Vec<EnvFrom>,
}

impl<'de> Deserialize<'de> for Container {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { mut env, command, args, lifecycle, liveness_probe, readiness_probe, startup_probe, env_from } =
            Written::deserialize(deserializer)?;
        let (command, args) = (env.telling_words(command), env.telling_words(args));
        let env = env.kept;
        Ok(Self { env, command, args, lifecycle, liveness_probe, readiness_probe, startup_probe, env_from })
    }
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
