//! A client as plain as HTTP: manifests in, status code, warnings and JSON out. Blocking, since the tests are.

use std::path::Path;
use std::sync::LazyLock;

use axum::http::Request;
use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Everything asynchronous in the tests runs here.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build().unwrap()
});

const CLUSTER_SCOPED: [&str; 16] = [
    "Bloc",
    "ClusterPolicyReport",
    "ClusterReport",
    "ClusterRole",
    "CustomResourceDefinition",
    "Location",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "Provider",
    "ResidencyPolicy",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
];

/// What the API server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub code: u16,
    /// The object, the list or the `Status`.
    pub body: Value,
    /// What stands in the `Warning` headers.
    pub warnings: Vec<String>,
}

impl Answer {
    /// The body of a success.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.code < 300, "{}: {}", self.code, self.body);
        self.body
    }

    /// The message of a failure; empty for a success.
    pub fn message(&self) -> &str {
        if self.code < 300 { "" } else { self.body["message"].as_str().unwrap_or_default() }
    }

    /// Whether the operator refused it, rather than a generated policy, of whose refusals the operator knows nothing.
    pub fn refused_by_the_operator(&self) -> bool {
        self.code == 403 && self.message().contains(".domicile.dev\" denied the request")
    }
}

/// A client of one API server, as one user.
#[derive(Clone)]
pub struct Client(kube::Client);

impl Client {
    pub fn new(kubeconfig: &Path) -> Self {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
        RUNTIME.block_on(async {
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
            Self(kube::Client::try_from(config).unwrap())
        })
    }

    /// One request. Fails if nobody answers.
    pub fn try_send(&self, method: &str, path: &str, kind: &str, body: &Value) -> Result<Answer, String> {
        self.try_send_with(method, path, kind, body, &[])
    }

    fn try_send_with(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> Result<Answer, String> {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder().method(method).uri(path);
        let request = request.header("content-type", kind).header("accept", "application/json");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Body::from(bytes)).unwrap();
        RUNTIME.block_on(async {
            let answer = self.0.send(request).await.map_err(|error| format!("{method} {path}: {error}"))?;
            let code = answer.status().as_u16();
            let warnings = answer.headers().get_all("warning").iter();
            let warnings = warnings.map(|value| unquoted(&String::from_utf8_lossy(value.as_bytes()))).collect();
            let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
            let text = String::from_utf8_lossy(&body);
            let body = serde_json::from_str(&text).unwrap_or_else(|_| json!({"message": text}));
            Ok(Answer { code, body, warnings })
        })
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.try_send(method, path, "application/json", body).unwrap()
    }

    pub fn create(&self, manifest: &Value) -> Answer {
        self.send("POST", &collection_of(manifest), manifest)
    }

    /// As `kubectl create --dry-run=server`.
    pub fn create_dry(&self, manifest: &Value) -> Answer {
        self.send("POST", &format!("{}?dryRun=All", collection_of(manifest)), manifest)
    }

    /// As another user, one request to a part of an object.
    pub fn send_as(&self, method: &str, path: &str, body: &Value, who: (&str, &[&str])) -> Answer {
        self.send_all(method, path, "application/json", body, Some(who))
    }

    /// Any request, as the client's own user or as another one.
    pub fn send_all(
        &self,
        method: &str,
        path: &str,
        content: &str,
        body: &Value,
        by: Option<(&str, &[&str])>,
    ) -> Answer {
        let headers: Vec<_> = by
            .into_iter()
            .flat_map(|(name, groups)| {
                let groups = groups.iter().map(|group| ("impersonate-group", *group));
                [("impersonate-user", name)].into_iter().chain(groups)
            })
            .collect();
        self.try_send_with(method, path, content, body, &headers).unwrap()
    }

    /// The same for a change of an object or of a part of it.
    pub fn patch_as(&self, path: &str, change: &Value, who: (&str, &[&str])) -> Answer {
        self.send_all("PATCH", path, "application/merge-patch+json", change, Some(who))
    }

    /// Asks for a part of the object that `reference` names.
    pub fn create_part(&self, reference: &Value, part: &str, manifest: &Value) -> Answer {
        self.send("POST", &format!("{}/{part}", path_of(reference)), manifest)
    }

    /// Changes the object that `reference` names.
    pub fn patch(&self, reference: &Value, patch: &Value) -> Answer {
        self.try_send("PATCH", &path_of(reference), "application/merge-patch+json", patch).unwrap()
    }

    /// The same as a dry run.
    pub fn patch_dry(&self, reference: &Value, patch: &Value) -> Answer {
        self.patch_dry_part(reference, "", patch)
    }

    /// The same for a part of it, as in `/status`.
    pub fn patch_dry_part(&self, reference: &Value, part: &str, patch: &Value) -> Answer {
        let dry = format!("{}{part}?dryRun=All", path_of(reference));
        self.try_send("PATCH", &dry, "application/merge-patch+json", patch).unwrap()
    }

    /// The object, if it is there.
    pub fn get(&self, reference: &Value) -> Option<Value> {
        let answer = self.send("GET", &path_of(reference), &Value::Null);
        (answer.code != 404).then(|| answer.ok())
    }

    /// Deletes the object at once, if it is there.
    pub fn delete(&self, reference: &Value) -> Answer {
        let options = json!({"gracePeriodSeconds": 0, "propagationPolicy": "Background"});
        self.send("DELETE", &path_of(reference), &options)
    }

    /// The objects of a kind, of one namespace or of all.
    pub fn list(&self, api_version: &str, kind: &str, namespace: &str, query: &str) -> Vec<Value> {
        let path = format!("{}?{query}", collection(api_version, kind, namespace));
        let list = self.send("GET", &path, &Value::Null).ok();
        list["items"].as_array().unwrap().clone()
    }

    /// Events about an object of this kind and name, of any namespace.
    pub fn events_about(&self, kind: &str, name: &str) -> Vec<Value> {
        let all = self.list("events.k8s.io/v1", "Event", "", "");
        let about = |event: &Value| event["regarding"]["kind"] == kind && event["regarding"]["name"] == name;
        all.into_iter().filter(about).collect()
    }
}

/// A name for an object, in the form of a manifest without contents.
pub fn reference(api_version: &str, kind: &str, namespace: &str, name: &str) -> Value {
    let metadata =
        if namespace.is_empty() { json!({"name": name}) } else { json!({"name": name, "namespace": namespace}) };
    json!({"apiVersion": api_version, "kind": kind, "metadata": metadata})
}

/// Documents of a YAML text, which may be indented as a whole.
pub fn documents(yaml: &str) -> Vec<Value> {
    let indent = yaml.lines().filter(|line| !line.trim().is_empty()).map(|line| line.len() - line.trim_start().len());
    let indent = indent.min().unwrap_or_default();
    let lines: Vec<&str> = yaml.lines().map(|line| line.get(indent..).unwrap_or_default()).collect();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&lines.join("\n")).unwrap();
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

pub fn path_of(manifest: &Value) -> String {
    format!("{}/{}", collection_of(manifest), manifest["metadata"]["name"].as_str().unwrap())
}

fn collection_of(manifest: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let namespace = text(&manifest["metadata"]["namespace"]);
    collection(&text(&manifest["apiVersion"]), &text(&manifest["kind"]), &namespace)
}

fn collection(api_version: &str, kind: &str, namespace: &str) -> String {
    let root = if api_version.contains('/') { "apis" } else { "api" };
    let lower = kind.to_lowercase();
    let plural = match lower.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if lower.ends_with('s') => format!("{lower}es"),
        None => format!("{lower}s"),
    };
    if namespace.is_empty() || CLUSTER_SCOPED.contains(&kind) {
        format!("/{root}/{api_version}/{plural}")
    } else {
        format!("/{root}/{api_version}/namespaces/{namespace}/{plural}")
    }
}

/// The text of `299 - "text"`.
fn unquoted(header: &str) -> String {
    let quoted = header.split_once('"').map_or(header, |(_, text)| text);
    quoted.strip_suffix('"').unwrap_or(quoted).replace("\\\"", "\"").replace("\\\\", "\\")
}
