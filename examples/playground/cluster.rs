//! The cluster of the story: its nodes, and kubectl as one would type it.

use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::harness::{ControlPlane, Node};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

const REGION: &str = "topology.kubernetes.io/region";
const ZONE: &str = "topology.kubernetes.io/zone";

/// A machine, and the country where it really stands: what the placements are measured by, whatever labels say.
pub struct Machine {
    pub name: &'static str,
    pub country: &'static str,
    provider_id: Option<&'static str>,
    region: Option<&'static str>,
    zone: &'static str,
}

impl Machine {
    fn node(&self) -> Node {
        let mut node = Node::new(self.name).label(ZONE, self.zone);
        if let Some(region) = self.region {
            node = node.label(REGION, region);
        }
        if let Some(id) = self.provider_id {
            node = node.provider(id);
        }
        node
    }
}

const fn machine(
    name: &'static str,
    country: &'static str,
    provider_id: &'static str,
    region: &'static str,
    zone: &'static str,
) -> Machine {
    Machine { name, country, provider_id: Some(provider_id), region: Some(region), zone }
}

/// The machines. `fra-3` lies about itself, and `dc1-rack7` is our own and has no cloud to speak for it.
pub const MACHINES: [Machine; 8] = [
    machine("fra-1", "DE", "aws:///eu-central-1a/i-0c1f6d2a9b7e43580", "eu-central-1", "eu-central-1a"),
    machine("fra-2", "DE", "aws:///eu-central-1b/i-07a4e9d31c5b2f866", "eu-central-1", "eu-central-1b"),
    machine("fra-3", "US", "aws:///us-east-1a/i-0be85f2d6c914a7d3", "eu-central-1", "eu-central-1a"),
    Machine { name: "dc1-rack7", country: "DE", provider_id: None, region: None, zone: "fra-dc1" },
    machine("par-1", "FR", "gce://example-cx/europe-west9-a/par-1", "europe-west9", "europe-west9-a"),
    machine("ohio-1", "US", "aws:///us-east-2a/i-0a93c7b1e5d82f604", "us-east-2", "us-east-2a"),
    machine(
        "virginia-1",
        "US",
        "azure:///subscriptions/8a1c2f00-5b7e-4f7d-9a3e-2f6d0c4b9e11/resourceGroups/cx/providers/\
         Microsoft.Compute/virtualMachines/virginia-1",
        "eastus2",
        "eastus2-1",
    ),
    machine("msk-1", "RU", "yandex://fhmq3t7b1v0c5k2n8d4e", "ru-central1", "ru-central1-a"),
];

/// One more machine, which joins while the operator is dead.
pub const LATE: Machine =
    machine("par-2", "FR", "gce://example-cx/europe-west9-b/par-2", "europe-west9", "europe-west9-b");

/// Where a node really stands.
pub fn country_of(node: &str) -> Option<&'static str> {
    MACHINES.iter().chain([&LATE]).find(|machine| machine.name == node).map(|machine| machine.country)
}

/// What kubectl printed, both streams in one, as a terminal has it.
pub struct Said {
    pub ok: bool,
    pub text: String,
}

/// The control plane, as somebody with a terminal in the checkout has it.
pub struct Cluster {
    plane: ControlPlane,
}

impl Cluster {
    pub fn new(plane: ControlPlane) -> Result<Self> {
        plane.add_nodes(&MACHINES.iter().map(Machine::node).collect::<Vec<_>>())?;
        Ok(Self { plane })
    }

    pub fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    pub fn join(&self, machine: &Machine) -> Result<()> {
        self.plane.add_node(&machine.node())
    }

    /// kubectl, in the checkout. Arguments are parted by spaces; '...' holds one together, as in a shell.
    pub fn kubectl(&self, line: &str) -> Result<Said> {
        let (mut reader, writer) = std::io::pipe()?;
        let mut command = self.plane.kubectl();
        command.current_dir(checkout()).args(words(line)).stdin(Stdio::null());
        command.stdout(writer.try_clone()?).stderr(writer);
        let mut child = command.spawn().context("cannot run kubectl")?;
        // It holds the pipe's writing end, and the reading one would never come to an end.
        drop(command);
        let mut text = String::new();
        reader.read_to_string(&mut text)?;
        Ok(Said { ok: child.wait()?.success(), text })
    }

    /// kubectl that has to succeed. Only its answer, without warnings.
    pub fn must(&self, line: &str) -> Result<String> {
        let mut command = self.plane.kubectl();
        let output = command.current_dir(checkout()).args(words(line)).output().context("cannot run kubectl")?;
        if !output.status.success() {
            bail!("kubectl {line}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// What kubectl prints as JSON.
    pub fn json(&self, line: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.must(&format!("{line} -o json"))?)?)
    }
}

/// The folder of this package.
pub fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            letter => {
                if let Some(word) = words.last_mut() {
                    word.push(letter);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Asks until the answer is yes, and says whether it came in time.
pub fn eventually(mut ask: impl FnMut() -> Result<bool>) -> Result<bool> {
    let started = Instant::now();
    loop {
        if ask()? {
            return Ok(true);
        }
        if started.elapsed() >= PATIENCE {
            return Ok(false);
        }
        sleep(Duration::from_millis(100));
    }
}

/// The elements of a JSON list.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
