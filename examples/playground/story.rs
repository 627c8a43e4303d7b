//! The story, chapter by chapter.

use std::collections::BTreeSet;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde_json::Value;

use crate::cluster::{Cluster, LATE, MACHINES, Said, checkout, country_of, eventually, list};
use crate::operator::{Operator, domicile};
use crate::terminal::{Terminal, table};

const COUNTRY_LABEL: &str = "domicile.node-restriction.kubernetes.io/country";

/// Everybody who takes part.
pub struct Story {
    pub cluster: Cluster,
    pub operator: Operator,
    pub terminal: Terminal,
}

/// Where pods of a namespace and app may really be; none: anywhere.
struct Allowed {
    namespace: &'static str,
    app: &'static str,
    pods: usize,
    countries: Option<&'static [&'static str]>,
    why: &'static str,
}

const fn allowed(
    namespace: &'static str,
    app: &'static str,
    pods: usize,
    countries: Option<&'static [&'static str]>,
    why: &'static str,
) -> Allowed {
    Allowed { namespace, app, pods, countries, why }
}

/// What the stack must come to. Of the EEA there are machines in Germany and France.
const PLACEMENTS: [Allowed; 13] = [
    allowed("cx-de", "survey-frontend", 3, Some(&["DE", "FR"]), "feedback: EEA"),
    allowed("cx-de", "responses-api", 2, Some(&["DE", "FR"]), "feedback: EEA"),
    allowed("cx-de", "responses-db", 2, Some(&["DE"]), "stores: origin"),
    allowed("cx-de", "transcriber", 1, Some(&["DE"]), "recordings: origin"),
    allowed("cx-de", "crm-enrichment", 1, Some(&["DE", "FR"]), "feedback: EEA"),
    allowed("cx-de", "hq-scores", 1, Some(&["DE", "FR"]), "feedback: EEA"),
    allowed("cx-de", "verbatims-export", 1, Some(&["DE", "FR"]), "feedback: EEA"),
    allowed("cx-de", "log-collector", 3, Some(&["DE"]), "template: DE"),
    allowed("cx-fr", "survey-frontend", 2, Some(&["FR"]), "may be recordings"),
    allowed("cx-us", "survey-frontend", 2, Some(&["US", "DE", "FR"]), "law: not RU"),
    allowed("cx-ru", "survey-frontend", 2, Some(&["RU"]), "law: origin"),
    allowed("analytics", "dashboard", 2, Some(&["DE", "FR"]), "feedback: EEA"),
    allowed("web-shop", "storefront", 8, None, "no personal data"),
];

impl Story {
    /// Tells it.
    pub fn tell(&mut self) -> Result<()> {
        let untouched = self.before()?;
        self.arrival()?;
        self.declarations()?;
        self.stack()?;
        self.refusals()?;
        self.placements()?;
        self.rewriting()?;
        self.findings()?;
        self.law_changes()?;
        self.bystander(&untouched)?;
        self.death()
    }

    /// Runs kubectl and shows command and answer.
    fn show(&self, line: &str) -> Result<Said> {
        self.terminal.command(&format!("kubectl {line}"));
        let said = self.cluster.kubectl(line)?;
        self.terminal.output(&said.text);
        Ok(said)
    }

    fn before(&mut self) -> Result<Value> {
        self.terminal.heading("A cluster in four countries");
        self.terminal.say("Eight nodes. fra-3 says Frankfurt in its labels, but its provider id says Virginia.");
        let columns = "custom-columns='NAME:.metadata.name,\
                       REGION:.metadata.labels.topology\\.kubernetes\\.io/region,\
                       PROVIDER ID:.spec.providerID'";
        self.show(&format!("get nodes -o {columns}"))?;
        self.terminal.say(
            "A shop, and a report on German customers that has always run in Ohio. The other namespaces are empty.",
        );
        for file in ["stack/00-storage-classes", "playground/volumes", "stack/10-namespaces"] {
            self.cluster.must(&format!("apply -f examples/{file}.yaml"))?;
        }
        // The account comes a moment after its namespace, and without it pods are refused.
        eventually(|| {
            let count = |line: &str| anyhow::Ok(self.cluster.must(line)?.lines().count());
            let accounts = count("get serviceaccounts -A -o name --field-selector metadata.name=default")?;
            Ok(accounts == count("get namespaces -o name")?)
        })?;
        self.show("apply -f examples/stack/90-web-shop.yaml -f examples/playground/legacy.yaml")?;
        self.spec_of_probe()
    }

    /// What a pod of the shop is like when the API server is done with it.
    fn spec_of_probe(&self) -> Result<Value> {
        let mut pod = self.cluster.json("create --dry-run=server -f examples/playground/probe.yaml")?;
        Ok(pod["spec"].take())
    }

    fn arrival(&mut self) -> Result<()> {
        self.terminal.heading("Domicile arrives");
        self.terminal.say("Eight resource kinds, and an account with the rights of examples/install/rbac.yaml.");
        self.terminal.command("domicile crds | kubectl apply --server-side -f -");
        let crds = domicile()?.arg("crds").output()?;
        anyhow::ensure!(crds.status.success(), "domicile crds: {}", String::from_utf8_lossy(&crds.stderr));
        let crds = String::from_utf8(crds.stdout)?;
        self.terminal.output(&self.cluster.plane().apply(&crds)?);
        // kubectl fails for one that has no conditions at all yet.
        let wait = "wait --for=condition=Established --timeout=30s crd --all";
        anyhow::ensure!(eventually(|| Ok(self.cluster.must(wait).is_ok()))?, "the definitions are not established");
        self.terminal.command(&self.operator.command_line());
        self.start_operator()?;

        let clouds = || MACHINES.iter().map(|machine| machine.name).filter(|name| *name != OWN_RACK);
        let labelled = eventually(|| self.labels_are_true(clouds()))?;
        self.terminal.say(
            "It finds out where each node really is, by a label that no kubelet may set. Two remain without: dc1-rack7 \
             tells nothing, and fra-3 contradicts itself.",
        );
        self.show(&format!("get nodes -L {COUNTRY_LABEL}"))?;
        self.terminal.expect("every node of a cloud carries its real country, except the one in dispute", labelled);
        let events = "get events --field-selector involvedObject.name=fra-3,reason=PlaceDisputed \
                      -o jsonpath='{.items[*].message}'";
        let told = eventually(|| Ok(!self.cluster.must(events)?.is_empty()))?;
        self.show(events)?;
        self.terminal.expect("an Event says that fra-3 is disputed", told);
        Ok(())
    }

    fn start_operator(&mut self) -> Result<()> {
        self.operator.start()?;
        let ready = eventually(|| self.operator.ready())?;
        self.terminal.expect("the operator is ready", ready);
        Ok(())
    }

    fn labels_are_true(&self, names: impl Iterator<Item = &'static str>) -> Result<bool> {
        let nodes = self.cluster.json("get nodes")?;
        let label = |name: &str| {
            let node = list(&nodes["items"]).iter().find(|node| node["metadata"]["name"] == name)?;
            node["metadata"]["labels"][COUNTRY_LABEL].as_str()
        };
        Ok(names.into_iter().all(|name| label(name) == country_of(name).filter(|_| name != DISPUTED)))
    }

    fn declarations(&mut self) -> Result<()> {
        self.terminal.heading("Legal and platform owners say what counts");
        self.show(
            "apply -f examples/stack/20-policies.yaml -f examples/stack/30-locations.yaml \
             -f examples/stack/40-data-stores.yaml -f examples/stack/50-data-flows.yaml",
        )?;
        let enforced = self.show("wait -A --for=condition=Enforced --timeout=30s datastores --all")?;
        self.terminal.expect("every data store is enforced", enforced.ok);
        let known = eventually(|| self.labels_are_true([OWN_RACK].into_iter()))?;
        self.terminal.say("The Location has told what only we knew:");
        self.show(&format!("get node {OWN_RACK} -L {COUNTRY_LABEL}"))?;
        self.terminal.expect("the rack in our own data centre is in DE", known);
        Ok(())
    }

    fn stack(&mut self) -> Result<()> {
        self.terminal.heading("Teams apply their stack");
        self.terminal
            .say("Nobody has written a word about countries into these workloads. Warnings tell what will happen.");
        let said = self.show(
            "apply -f examples/stack/60-cx-de.yaml -f examples/stack/70-other-countries.yaml \
             -f examples/stack/80-analytics.yaml",
        )?;
        self.terminal.expect("everything good is accepted", said.ok);
        self.terminal.expect(
            "the policy that only warns has warned",
            said.text.contains("Warning:") && said.text.contains("contacts-at-home"),
        );
        self.cluster.must("-n cx-de create job --from=cronjob/crm-enrichment crm-enrichment-now")?;
        Ok(())
    }

    fn refusals(&mut self) -> Result<()> {
        self.terminal.heading("What is refused");
        let folder = checkout().join("examples/refused");
        let mut files: Vec<_> = fs::read_dir(&folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_>>()?;
        files.sort();
        for file in files {
            let text = fs::read_to_string(folder.join(&file))?;
            let mut comments = text.lines().map_while(|line| line.strip_prefix("# "));
            let wrong = comments.next().context("a manifest has no comment")?;
            self.terminal.say(wrong);
            let said = self.show(&format!("apply -f examples/refused/{file}"))?;
            let answer = comments.collect::<Vec<_>>().join(" ");
            // The comment says by which rule; without one it is the schema that refuses.
            let sign = answer
                .split(['(', ')'])
                .find(|word| ["RES-", "LAW-"].iter().any(|kind| word.starts_with(kind)))
                .unwrap_or("is invalid");
            self.terminal.expect(format!("{file} is refused ({sign})"), !said.ok && said.text.contains(sign));
        }

        self.terminal.say("Wrong: a running pod slips out of scope by dropping its label.");
        let pod =
            self.cluster.must("-n cx-de get pods -l app=survey-frontend -o jsonpath='{.items[0].metadata.name}'")?;
        let said = self.show(&format!("-n cx-de label pod {pod} app=hidden --overwrite"))?;
        self.terminal.expect("a pod cannot leave its scope (RES-SCOPE)", !said.ok && said.text.contains("RES-SCOPE"));
        Ok(())
    }

    fn placements(&mut self) -> Result<()> {
        self.terminal.heading("Where the scheduler put each pod");
        let expected: usize = PLACEMENTS.iter().map(|row| row.pods).sum::<usize>() + 1;
        let complete = eventually(|| Ok(self.placed()?.len() >= expected))?;
        let mut rows = vec![["POD", "MAY BE IN", "BECAUSE", "NODE", "COUNTRY"].map(str::to_owned).to_vec()];
        let mut wrong = Vec::new();
        let pods = self.placed()?;
        for allowed in &PLACEMENTS {
            let mut count = 0;
            for pod in pods.iter().filter(|pod| pod.namespace == allowed.namespace && pod.app == allowed.app) {
                if pod.name == LEGACY {
                    continue;
                }
                count += 1;
                let country = country_of(&pod.node).unwrap_or("?");
                let name = format!("{}/{}", pod.namespace, pod.name);
                let disputed = pod.node == DISPUTED;
                if allowed.countries.is_some_and(|all| !all.contains(&country) || disputed) {
                    wrong.push(format!("{name} is in {country}"));
                }
                let country = if disputed { format!("{country} (disputed)") } else { country.to_owned() };
                rows.push(vec![name, pod.pinned.clone(), allowed.why.to_owned(), pod.node.clone(), country]);
            }
            if count != allowed.pods {
                wrong.push(format!("{}/{}: {count} pods, not {}", allowed.namespace, allowed.app, allowed.pods));
            }
        }
        self.terminal.say("COUNTRY is where the machine really stands, whatever any label says.");
        self.terminal.output(&table(&rows));
        self.terminal.expect("every pod has a node", complete);
        let remark = if wrong.is_empty() { String::new() } else { format!(" ({})", wrong.join(", ")) };
        self.terminal.expect(format!("every pod is where its data may be{remark}"), wrong.is_empty());
        let shop = pods.iter().filter(|pod| pod.namespace == "web-shop");
        let countries: BTreeSet<_> = shop.filter_map(|pod| country_of(&pod.node)).collect();
        self.terminal.expect("the shop's pods are in many countries, as ever", countries.len() >= 3);
        self.claims()
    }

    fn claims(&mut self) -> Result<()> {
        self.terminal.say("And their claims:");
        let bound = eventually(|| {
            let claims = self.cluster.json("-n cx-de get pvc")?;
            let claims = list(&claims["items"]);
            Ok(claims.len() == 3 && claims.iter().all(|claim| claim["status"]["phase"] == "Bound"))
        })?;
        self.show(
            "-n cx-de get pvc -o custom-columns='NAME:.metadata.name,STATUS:.status.phase,\
             CLASS:.spec.storageClassName,VOLUME:.spec.volumeName'",
        )?;
        self.terminal.expect("every claim is bound to a volume in Germany", bound);
        Ok(())
    }

    /// Every pod that has a node, by namespace and name.
    fn placed(&self) -> Result<Vec<Placed>> {
        let all = self.cluster.json("get pods -A")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(list(&all["items"])
            .iter()
            .filter(|pod| pod["spec"]["nodeName"].is_string())
            .map(|pod| Placed {
                namespace: text(&pod["metadata"]["namespace"]),
                name: text(&pod["metadata"]["name"]),
                app: text(&pod["metadata"]["labels"]["app"]),
                node: text(&pod["spec"]["nodeName"]),
                pinned: pinned(&pod["spec"]),
            })
            .collect())
    }

    fn rewriting(&mut self) -> Result<()> {
        self.terminal.heading("What was rewritten, and how");
        self.terminal.say("The database's pods store German answers, so each got one requirement when it was created:");
        let affinity = ".spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution";
        let said =
            self.show(&format!("-n cx-de get pod responses-db-0 -o jsonpath='{{{affinity}.nodeSelectorTerms}}'"))?;
        let wanted =
            format!(r#"[{{"matchExpressions":[{{"key":"{COUNTRY_LABEL}","operator":"In","values":["DE"]}}]}}]"#);
        self.terminal.expect("the database's pods are pinned to DE and nothing else is added", said.text == wanted);
        self.terminal.say(
            "The API had two alternatives of its own. Alternatives are ORed, so each got the requirement in addition:",
        );
        let said = self.show(&format!(
            "-n cx-de get pods -l app=responses-api,pod-template-hash -o \
             jsonpath='{{range .items[0]{affinity}.nodeSelectorTerms[*]}}{{.matchExpressions[*].key}}{{\"\\n\"}}{{end}}'"
        ))?;
        let both = format!("kubernetes.io/arch {COUNTRY_LABEL}");
        self.terminal.expect("every alternative is pinned", said.text.lines().eq([both.as_str(), both.as_str()]));
        self.terminal.say("Only pods are changed, never what stands in Git, so GitOps sees no difference:");
        let said = self.show("diff -f examples/stack/60-cx-de.yaml -f examples/stack/80-analytics.yaml")?;
        self.terminal.expect("kubectl diff shows nothing", said.ok && said.text.is_empty());
        Ok(())
    }

    fn findings(&mut self) -> Result<()> {
        self.terminal.heading("What the operator knows");
        let store = "-n cx-de get datastore survey-responses";
        let found = eventually(|| Ok(self.cluster.json(store)?["status"]["violations"] != 0))?;
        self.show("get datastores -A")?;
        self.terminal.say("The report in Ohio is older than Domicile. It is found, and left running:");
        let findings = "{range .status.findings[*]}{.object}: {.rule}: {.message}{\"\\n\"}{end}";
        let said = self.show(&format!("{store} -o jsonpath='{findings}'"))?;
        let only = !said.text.is_empty() && said.text.lines().all(|line| line.starts_with("Pod/legacy-report"));
        self.terminal.expect("the audit finds the old report, and only it", found && only);
        self.terminal.say("The dashboard declares French data. What it holds besides came by a flow:");
        let origins = "{range .status.effectiveOrigins[*]}{.origin} through {.through}{\"\\n\"}{end}";
        let said = self.show(&format!("-n analytics get datastore dashboard -o jsonpath='{origins}'"))?;
        let inherits = said.text.lines().any(|line| line.starts_with("DE") && line.contains("to-dashboard"));
        self.terminal.expect("the dashboard inherits DE by the flow", inherits);
        let said = self.show("get dataflows -A")?;
        let allowed = said.text.lines().filter(|line| line.contains("Allow")).count();
        self.terminal.expect("all three flows are judged Allow", allowed == 3);
        let vendor = self.cluster.json("-n cx-de get dataflow verbatims-to-analytics-vendor")?;
        let ground = vendor["status"]["ground"].as_str().unwrap_or_default();
        self.terminal.expect(
            "to the vendor in the US, the list or else the clauses carry the answers",
            ["eu-us-dpf", "eu-scc-2021"].contains(&ground),
        );
        self.terminal.say("What the law leaves owed. One store has declared everything, and owes nothing:");
        let owed =
            "{range .items[*]}{.metadata.name}: {.status.legal}, owed: {.status.obligations[*].rule}{\"\\n\"}{end}";
        let said = self.show(&format!("-n cx-de get datastores -o jsonpath='{owed}'"))?;
        let settled = said.text.lines().any(|line| line.trim_end() == "survey-responses: Permitted, owed:");
        self.terminal.expect("survey-responses is permitted, with nothing owed", settled);
        self.show("get residencypolicies")?;
        self.terminal.say("And Events, on the objects where people look:");
        let events = "get events -A --field-selector reportingComponent=domicile.dev/operator,type=Warning \
                      -o custom-columns='NAMESPACE:.metadata.namespace,ABOUT:.involvedObject.name,REASON:.reason'";
        self.show(events)?;

        self.terminal.say("Once the old report is gone, the store is clean:");
        self.show("-n cx-de delete pod legacy-report --grace-period=0")?;
        let clean = eventually(|| Ok(self.cluster.json(store)?["status"]["violations"] == 0))?;
        self.show(store)?;
        self.terminal.expect("the store complies again", clean);
        Ok(())
    }

    fn law_changes(&mut self) -> Result<()> {
        // What is promised between an instant of law and what follows from it.
        const AT_ONCE: Duration = Duration::from_secs(1);

        self.terminal.heading("The law changes");
        self.terminal.say("Service desks in India may have German answers, by a pilot framework with a last instant.");
        let end = Timestamp::from_second(Timestamp::now().as_second() + 9)?;
        let pilot = "examples/playground/pilot.yaml";
        self.terminal.command(&format!("sed s/INSTANT/{end}/ {pilot} | kubectl apply --server-side -f -"));
        let pilot = fs::read_to_string(checkout().join(pilot))?.replace("INSTANT", &end.to_string());
        self.terminal.output(&self.cluster.plane().apply(&pilot)?);
        let apply = "apply -f examples/playground/service-desk.yaml";
        eventually(|| Ok(self.cluster.kubectl(&format!("{apply} --dry-run=server"))?.ok))?;
        self.show(apply)?;
        let flow = "-n cx-de get dataflow answers-to-service-desk";
        let carried = eventually(|| {
            let flow = self.cluster.json(flow)?;
            let until = flow["status"]["holdsUntil"].as_str().and_then(|until| until.parse::<Timestamp>().ok());
            let ground = flow["status"]["ground"] == "service-desk-pilot" && until == Some(end);
            Ok(ground && compliant(&flow) == Some("True"))
        })?;
        self.show(flow)?;
        self.show(&format!("{flow} -o jsonpath='{{.status.ground}} carries it until {{.status.holdsUntil}}'"))?;
        self.terminal.expect("the flow complies, and its status knows until when", carried);
        let run =
            |name: &str| format!("-n cx-de run {name} --image=docker.io/library/busybox:1.37 --labels=app=desk-export");
        let started = self.show(&run("desk-export"))?;
        let early = Timestamp::now() < end;
        self.terminal.expect("until then, pods of the flow start", started.ok && early);

        self.terminal.say(&format!("Nobody touches anything. At {end}:"));
        let left = end.duration_since(Timestamp::now());
        sleep(Duration::try_from(left).unwrap_or_default());
        let ended = Instant::now();
        let (mut status, mut pods) = (None, None);
        let probe = format!("{} --dry-run=server", run("desk-export-2"));
        eventually(|| {
            if pods.is_none() && !self.cluster.kubectl(&probe)?.ok {
                pods = Some(ended.elapsed());
            }
            if status.is_none() && compliant(&self.cluster.json(flow)?) == Some("False") {
                status = Some(ended.elapsed());
            }
            Ok(status.is_some() && pods.is_some())
        })?;
        self.show(flow)?;
        let refused = self.show(&run("desk-export-2"))?;
        let within = |took: Option<Duration>| took.is_some_and(|took| took < AT_ONCE);
        let after = |took: Option<Duration>| took.map_or_else(|| "never".to_owned(), |took| format!("{took:.0?}"));
        self.terminal.expect(format!("the status turns within a second ({})", after(status)), within(status));
        self.terminal.expect(format!("new pods are refused within a second ({})", after(pods)), within(pods));
        self.terminal.expect(
            "the refusal says by which rule (LAW-TRANSFER)",
            !refused.ok && refused.text.contains("LAW-TRANSFER"),
        );
        let events = "-n cx-de get events \
                      --field-selector involvedObject.name=answers-to-service-desk,reason=MechanismEnded \
                      -o jsonpath='{.items[*].message}'";
        let told = eventually(|| Ok(!self.cluster.must(events)?.is_empty()))?;
        self.show(events)?;
        self.terminal.expect("an Event says that the mechanism has ended", told);
        Ok(())
    }

    fn bystander(&mut self, before: &Value) -> Result<()> {
        self.terminal.heading("Who has no personal data notices nothing");
        self.terminal.say("Of this pod the API server makes what it made of it before Domicile came:");
        self.terminal.command("kubectl create --dry-run=server -o json -f examples/playground/probe.yaml | jq .spec");
        let same = self.spec_of_probe()? == *before;
        self.terminal.expect("a pod of the shop is not changed by a byte", same);
        Ok(())
    }

    fn death(&mut self) -> Result<()> {
        self.terminal.heading("The operator dies");
        self.terminal.command("kill -9 <operator>");
        self.operator.kill()?;
        let run = |namespace: &str, name: &str| {
            format!("-n {namespace} run {name} --image=docker.io/library/busybox:1.37 --labels=app=responses-api")
        };
        self.terminal.say("The shop goes on, and nodes join:");
        let shop = self.show(&run("web-shop", "extra"))?;
        self.terminal.expect("with the operator dead, the shop gets its pod", shop.ok);
        self.cluster.join(&LATE)?;
        let node = self.show(&format!("get node {}", LATE.name))?;
        self.terminal.expect("with the operator dead, a node joins", node.ok);
        self.terminal.say("Where German data is, nothing new starts unseen:");
        let refused = self.show(&run("cx-de", "extra"))?;
        self.terminal.expect("with the operator dead, cx-de refuses", !refused.ok);
        self.terminal.say(
            "What only declares is not stopped, for a dead operator must not stop a rollout. A bad flow slips in:",
        );
        let slipped = self.show("apply -f examples/refused/40-flow-to-headquarters.yaml")?;
        self.terminal.expect("with the operator dead, a bad flow slips in", slipped.ok);
        self.terminal.say("The operator comes back:");
        self.terminal.command(&self.operator.command_line());
        self.start_operator()?;
        let accepted = self.show(&run("cx-de", "extra"))?;
        self.terminal.expect("with the operator back, cx-de gets its pod", accepted.ok);
        let mut place = None;
        eventually(|| {
            place = self.placed()?.into_iter().find(|pod| pod.namespace == "cx-de" && pod.name == "extra");
            Ok(place.is_some())
        })?;
        let country = place.filter(|pod| pod.node != DISPUTED).and_then(|pod| country_of(&pod.node));
        self.terminal.expect("and it runs in the EEA", country.is_some_and(|country| ["DE", "FR"].contains(&country)));
        let flow = "-n cx-de get dataflow verbatims-to-headquarters";
        let judged = eventually(|| Ok(self.cluster.json(flow)?["status"]["action"] == "Refuse"))?;
        self.terminal.say("The flow that slipped in is found, and whoever would carry it is refused:");
        self.show(flow)?;
        let said = self.show("apply -f examples/playground/hq-exporter.yaml")?;
        self.terminal.expect("the flow is judged Refuse", judged);
        self.terminal
            .expect("who carries it is refused (LAW-TRANSFER)", !said.ok && said.text.contains("LAW-TRANSFER"));
        let labelled = eventually(|| self.labels_are_true([LATE.name].into_iter()))?;
        self.terminal.expect(format!("{}, which joined meanwhile, is known to be in FR", LATE.name), labelled);
        Ok(())
    }
}

/// A pod that has a node.
struct Placed {
    namespace: String,
    name: String,
    app: String,
    node: String,
    pinned: String,
}

const DISPUTED: &str = "fra-3";
const OWN_RACK: &str = "dc1-rack7";
const LEGACY: &str = "legacy-report";

/// What the condition `Compliant` of an object is.
fn compliant(object: &Value) -> Option<&str> {
    list(&object["status"]["conditions"]).iter().find(|one| one["type"] == "Compliant")?["status"].as_str()
}

/// The countries to which a pod is pinned, as its specification says.
fn pinned(spec: &Value) -> String {
    let required = &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let expressions = list(&required["nodeSelectorTerms"]).iter().flat_map(|term| list(&term["matchExpressions"]));
    let values: Option<Vec<&str>> = expressions
        .into_iter()
        .find(|one| one["key"] == COUNTRY_LABEL)
        .map(|one| list(&one["values"]).iter().filter_map(Value::as_str).collect());
    let selected = spec["nodeSelector"][COUNTRY_LABEL].as_str();
    match (values.as_deref(), selected) {
        (Some([one]), _) => (*one).to_owned(),
        // Law that only bars some destinations leaves every other code of two letters.
        (Some(many), _) if many.len() > 300 => format!("all but {} countries", 26 * 26 - many.len()),
        (Some(many), _) => format!("{} countries", many.len()),
        (None, Some(one)) => one.to_owned(),
        (None, None) => "anywhere".to_owned(),
    }
}
