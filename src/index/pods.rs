//! Pods by namespace and name, with what the audit found of each: by far the most of all objects.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

use kube::ResourceExt;

use super::{Index, Name, memo, strays, touching};
use crate::interpret::objects::{Pod, PodStatus};
use crate::interpret::workload;
use crate::interpret::world::HeldPod;

/// A pod, as the audit sees it.
#[derive(Debug, Clone)]
pub(super) struct PodState {
    /// Shared with the snapshots.
    pub pod: Arc<HeldPod>,
    pub ended: bool,
    pub uid: Box<str>,
    /// What no decision reads.
    pub life: strays::Life,
    /// What the audit found.
    pub kept: Option<memo::Kept>,
}

/// Pods of one namespace, by name.
type Namespaced = BTreeMap<Arc<str>, PodState>;

/// Every pod.
#[derive(Debug, Clone, Default)]
pub(super) struct Pods(BTreeMap<Arc<str>, Namespaced>);

impl Pods {
    /// One of them.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&PodState> {
        self.0.get(namespace)?.get(name)
    }

    /// The same, to note something about it.
    pub fn get_mut(&mut self, namespace: &str, name: &str) -> Option<&mut PodState> {
        self.0.get_mut(namespace)?.get_mut(name)
    }

    /// Keeps one.
    pub fn insert(&mut self, (namespace, name): &Name, state: PodState) {
        let pods = match self.0.get_mut(namespace.as_str()) {
            Some(pods) => pods,
            None => self.0.entry(namespace.as_str().into()).or_default(),
        };
        pods.insert(name.as_str().into(), state);
    }

    /// Forgets one.
    pub fn remove(&mut self, namespace: &str, name: &str) -> Option<PodState> {
        let pods = self.0.get_mut(namespace)?;
        let state = pods.remove(name);
        if pods.is_empty() {
            self.0.remove(namespace);
        }
        state
    }

    /// Those of a namespace, in the order of their names.
    pub fn of(&self, namespace: &str) -> impl Iterator<Item = (&Arc<str>, &PodState)> {
        self.0.get(namespace).into_iter().flatten()
    }

    /// The same, to note something about them.
    pub fn of_mut(&mut self, namespace: &str) -> impl Iterator<Item = (&str, &mut PodState)> {
        self.0.get_mut(namespace).into_iter().flatten().map(|(name, state)| (&**name, state))
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = Name> {
        self.0.iter().flat_map(|(namespace, pods)| pods.keys().map(|name| (namespace.to_string(), name.to_string())))
    }

    /// Some that are named alike.
    fn near(&self, (namespace, name): &Name) -> impl Iterator<Item = &PodState> {
        /// What differs in a few pods of a workload should not part the others.
        const BEFORE: usize = 3;
        let pods = self.0.get(namespace.as_str());
        pods.into_iter().flat_map(move |pods| {
            let name = name.as_str();
            let before = pods.range::<str, _>((Unbounded, Excluded(name))).rev().take(BEFORE);
            before.chain(pods.range::<str, _>((Included(name), Unbounded)).next()).map(|(_, state)| state)
        })
    }
}

impl Index {
    pub(super) fn apply_pod(&mut self, pod: Pod) -> bool {
        let name = (pod.namespace().unwrap_or_default(), pod.name_any());
        let maker = workload::maker(&pod.metadata);
        let Pod { metadata, spec, status } = pod;
        let PodStatus { phase, ready } = status.unwrap_or_default();
        let life = strays::Life::new(&metadata, ready);
        // What a pod has copied stays where it is after the pod has ended, so that lineage does not ask.
        let ended = matches!(phase.as_deref(), Some("Succeeded" | "Failed"));
        let mut pod = HeldPod::new(metadata.labels.unwrap_or_default(), spec, maker);
        // What one workload makes is named alike.
        self.pods.near(&name).for_each(|other| pod.share_with(&other.pod));
        let pod = Arc::new(pod);
        let uid = metadata.uid.unwrap_or_default().into_boxed_str();
        let state = PodState { pod, ended, uid, life, kept: None };
        let says = |state: &PodState| (state.pod.clone(), state.ended, state.uid.clone());
        if let Some(known) = self.pods.get_mut(&name.0, &name.1)
            && says(known) == says(&state)
        {
            known.life = life;
            return false;
        }
        self.stale_lineage.pods.insert(touching::pod(&name.0, &name.1));
        self.stale_pods.insert(name.0.clone());
        self.memo.pods_of(&name.0);
        self.pods.insert(&name, state);
        true
    }
}
