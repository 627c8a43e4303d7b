//! What the chart renders.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{RELEASE, chart, checkout, helm, names, of_kind, one, rendered, template, texts};

#[test]
fn helm_finds_nothing_to_complain_about() {
    let run = helm(&["lint", "--strict", chart().to_str().unwrap()]);
    assert!(run.ok, "{}{}", run.stdout, run.stderr);
}

#[test]
fn two_replicas_run_with_nothing_that_they_do_not_need() {
    let objects = rendered(&[]);
    let deployment = one(&objects, "Deployment", RELEASE);
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert_eq!(deployment["spec"]["strategy"]["rollingUpdate"], json!({"maxSurge": 1, "maxUnavailable": 0}));
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(pod["priorityClassName"], "system-cluster-critical");
    assert!(pod["affinity"]["podAntiAffinity"].is_object() && pod["volumes"].is_null(), "{pod}");
    let container = &pod["containers"][0];
    let wanted = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
    });
    assert_eq!(container["securityContext"], wanted);
    assert_eq!(container["image"], format!("domicile:{}", env!("CARGO_PKG_VERSION")));
    for probe in ["livenessProbe", "readinessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], "health", "{probe}");
    }
    assert_eq!(one(&objects, "ServiceAccount", RELEASE)["automountServiceAccountToken"], false);
    assert_eq!(pod["automountServiceAccountToken"], true);
}

#[test]
fn the_service_leads_to_the_ports_on_which_the_operator_listens() {
    let objects = rendered(&[]);
    let pod = &one(&objects, "Deployment", RELEASE)["spec"]["template"];
    let service = one(&objects, "Service", RELEASE);
    for (label, value) in service["spec"]["selector"].as_object().unwrap() {
        assert_eq!(&pod["metadata"]["labels"][label], value, "{label}");
    }
    let port = |number: u64| {
        let named = service["spec"]["ports"].as_array().unwrap().iter().find(|port| port["port"] == number).unwrap();
        let ports = pod["spec"]["containers"][0]["ports"].as_array().unwrap();
        ports.iter().find(|port| port["name"] == named["targetPort"]).unwrap()["containerPort"].clone()
    };
    // The defaults of `domicile operator`.
    assert_eq!((port(443), port(8080)), (json!(9443), json!(8080)));
}

#[test]
fn another_name_changes_every_reference_to_it() {
    let objects = rendered(&["fullnameOverride=\"residency\""]);
    let deployment = one(&objects, "Deployment", "residency");
    let pod = &deployment["spec"]["template"]["spec"];
    assert!(texts(&pod["containers"][0]["args"]).contains(&"--webhook-service=residency".to_owned()), "{pod}");
    assert_eq!(pod["serviceAccountName"], "residency");
    one(&objects, "ServiceAccount", "residency");
    one(&objects, "Service", "residency");
    for binding in of_kind(&objects, "ClusterRoleBinding") {
        assert_eq!(binding["subjects"][0]["name"], "residency");
        one(&objects, "ClusterRole", binding["roleRef"]["name"].as_str().unwrap());
    }
}

#[test]
fn nothing_that_it_renders_can_block() {
    let objects = rendered(&["serviceMonitor.enabled=true"]);
    for object in &objects {
        let name = format!("{} {}", object["kind"], object["metadata"]["name"]);
        assert!(object["metadata"]["finalizers"].is_null(), "{name} has finalizers");
        let hook = object["metadata"]["annotations"]["helm.sh/hook"].as_str();
        assert!(hook.is_none_or(|hook| hook == "test"), "{name} is a hook: {hook:?}");
        let group = object["apiVersion"].as_str().unwrap();
        assert!(!group.starts_with("admissionregistration.k8s.io/"), "{name} is for the operator to write");
    }
    let anchor = one(&objects, "ClusterRole", "domicile-anchor");
    assert_eq!(anchor["rules"], json!([]), "what everything hangs on grants nothing");
}

#[test]
fn definitions_come_with_the_release_and_stay_without_it() {
    let mut wanted = BTreeSet::new();
    let objects = rendered(&[]);
    for file in std::fs::read_dir(checkout("crds")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let mut definition: Value = serde_saphyr::from_str(&text).unwrap();
        let name = definition["metadata"]["name"].as_str().unwrap().to_owned();
        definition["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
        assert!(one(&objects, "CustomResourceDefinition", &name) == &definition, "{name}");
        wanted.insert(name);
    }
    assert_eq!(of_kind(&objects, "CustomResourceDefinition").len(), wanted.len());
    assert!(of_kind(&rendered(&["crds.install=false"]), "CustomResourceDefinition").is_empty());
}

#[test]
fn a_single_pod_may_be_drained() {
    let budget = |settings: &[&str]| of_kind(&rendered(settings), "PodDisruptionBudget").len();
    assert_eq!((budget(&[]), budget(&["replicas=3"])), (1, 1));
    assert_eq!((budget(&["replicas=1"]), budget(&["podDisruptionBudget.enabled=false"])), (0, 0));
}

#[test]
fn the_operator_calls_the_api_server_and_nobody_else() {
    let policy = |settings: &[&str]| one(&rendered(settings), "NetworkPolicy", RELEASE)["spec"].clone();
    let spec = policy(&[
        "networkPolicy.apiServer={\"cidrs\":[\"192.0.2.1/32\"],\"ports\":[6443]}",
        "networkPolicy.metricsFrom=[{\"namespaceSelector\":{}}]",
    ]);
    let to = json!([{
        "ports": [{"port": 6443, "protocol": "TCP"}], "to": [{"ipBlock": {"cidr": "192.0.2.1/32"}}],
    }]);
    assert_eq!(spec["egress"], to);
    let from = json!([
        {"ports": [{"port": "webhook", "protocol": "TCP"}]},
        {"ports": [{"port": "health", "protocol": "TCP"}], "from": [{"namespaceSelector": {}}]},
    ]);
    assert_eq!(spec["ingress"], from);
    assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
    let ports = json!([{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]);
    assert_eq!(policy(&[])["egress"], json!([{"ports": ports}]));
    assert!(of_kind(&rendered(&["networkPolicy.enabled=false"]), "NetworkPolicy").is_empty());

    // Nor a collector of traces, unless it is named.
    let to = "networkPolicy.collector={\"to\":[{\"ipBlock\":{\"cidr\":\"192.0.2.2/32\"}}],\"ports\":[4319]}";
    assert_eq!(policy(&[to])["egress"].as_array().unwrap().len(), 1);
    let told = policy(&[to, "telemetry.otlp.endpoint=\"http://collector.observability:4318\""]);
    let names = json!({
        "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
        "to": [{
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }],
    });
    let collector =
        json!({"ports": [{"port": 4319, "protocol": "TCP"}], "to": [{"ipBlock": {"cidr": "192.0.2.2/32"}}]});
    assert_eq!(told["egress"].as_array().unwrap()[1..], [collector, names]);
}

#[test]
fn traces_go_nowhere_unless_a_collector_is_named() {
    let pod = |settings: &[&str]| one(&rendered(settings), "Deployment", RELEASE)["spec"]["template"]["spec"].clone();
    let of_traces = |pod: &Value| {
        let arguments = texts(&pod["containers"][0]["args"]);
        arguments.into_iter().filter(|argument| argument.contains("otlp")).collect::<Vec<_>>()
    };
    let ratio = "telemetry.otlp.ratio=0.25";
    assert_eq!(of_traces(&pod(&[ratio, "telemetry.otlp.authority=\"collector\""])), Vec::<String>::new());
    let plain = pod(&["telemetry.otlp.endpoint=\"http://collector:4318\"", ratio]);
    assert_eq!(of_traces(&plain), ["--otlp-endpoint=http://collector:4318", "--otlp-sampling-ratio=0.25"]);
    assert!(plain["volumes"].is_null(), "{plain}");
    let vouched = pod(&[
        "telemetry.otlp={\"endpoint\":\"https://collector:4318\",\"authority\":\"collector-ca\"}",
        "decisionLog.destination=\"file\"",
    ]);
    assert_eq!(of_traces(&vouched)[2], "--otlp-certificate-authority=/etc/domicile/collector/ca.crt");
    let volumes: Vec<_> = vouched["volumes"].as_array().unwrap().iter().map(|volume| &volume["name"]).collect();
    let mounts: Vec<_> =
        vouched["containers"][0]["volumeMounts"].as_array().unwrap().iter().map(|mount| &mount["name"]).collect();
    assert_eq!((volumes.clone(), mounts), (vec![&json!("decision-log"), &json!("collector-authority")], volumes));
    assert_eq!(vouched["volumes"][1]["configMap"], json!({"name": "collector-ca"}));

    let recorded = "decisionLog.destination=\"otlp\"";
    let arguments =
        texts(&pod(&[recorded, "telemetry.otlp.endpoint=\"http://collector:4318\""])["containers"][0]["args"]);
    assert!(arguments.contains(&"--decision-log=otlp".to_owned()), "{arguments:?}");
    let nowhere = template(&[recorded]);
    assert!(!nowhere.ok && nowhere.stderr.contains("needs telemetry.otlp.endpoint"), "{}", nowhere.stderr);
}

#[test]
fn permissions_name_what_they_are_for() {
    let objects = rendered(&[]);
    let roles: Vec<&Value> = [of_kind(&objects, "ClusterRole"), of_kind(&objects, "Role")].concat();
    for (role, rule) in
        roles.iter().flat_map(|role| role["rules"].as_array().unwrap().iter().map(move |rule| (role, rule)))
    {
        let name = &role["metadata"]["name"];
        for list in ["apiGroups", "resources", "verbs"] {
            assert!(!texts(&rule[list]).iter().any(|one| one == "*"), "{name}: {rule}");
        }
        let secrets = texts(&rule["apiGroups"]).contains(&String::new())
            && texts(&rule["resources"]).iter().any(|one| one == "secrets");
        // To list or watch secrets would be to read all; one by its name is the operator's own.
        let reads_none = !rule["resourceNames"].is_null() || rule["verbs"] == json!(["create"]);
        assert!(!secrets || reads_none, "{name}: {rule}");
        let strong = ["escalate", "bind", "impersonate"];
        assert!(!texts(&rule["verbs"]).iter().any(|verb| strong.contains(&verb.as_str())), "{name}: {rule}");
    }
    let taught = rendered(&["rbac.readable=[{\"apiGroups\":[\"example.org\"],\"resources\":[\"exports\"]}]"]);
    let rule = json!({"apiGroups": ["example.org"], "resources": ["exports"], "verbs": ["list", "watch"]});
    assert_eq!(one(&taught, "ClusterRole", "domicile-reader")["rules"][0], rule);
}

#[test]
fn people_get_what_their_role_promises() {
    let label = |objects: &[Value], role: &str, name: &str| {
        one(objects, "ClusterRole", &format!("domicile-{role}"))["metadata"]["labels"]
            [format!("rbac.authorization.k8s.io/aggregate-to-{name}")]
        .clone()
    };
    let (on, off) = (rendered(&[]), rendered(&["rbac.aggregate=false"]));
    for (role, name) in [("viewer", "view"), ("editor", "edit"), ("admin", "admin")] {
        assert_eq!(label(&on, role, name), "true", "{role}");
        assert!(label(&off, role, name).is_null(), "{role}");
    }
    for role in ["policy-admin", "exception-approver"] {
        let stewards = one(&on, "ClusterRole", &format!("domicile-{role}"));
        let labels = stewards["metadata"]["labels"].as_object().unwrap();
        assert!(!labels.keys().any(|key| key.contains("aggregate-to")), "{labels:?}");
    }
    let kinds: BTreeSet<String> =
        domicile::api::v1alpha1::definitions().into_iter().map(|one| one.spec.names.plural).collect();
    for role in ["viewer", "policy-admin"] {
        let rules = &one(&on, "ClusterRole", &format!("domicile-{role}"))["rules"];
        assert_eq!(texts(&rules[0]["resources"]).into_iter().collect::<BTreeSet<_>>(), kinds, "{role}");
    }
}

#[test]
fn what_needs_other_operators_is_off() {
    let objects = rendered(&[]);
    let foreign = |objects: &[Value]| {
        let foreign = |one: &&Value| {
            let group = one["apiVersion"].as_str().unwrap();
            ["monitoring.coreos.com", "cert-manager.io"].iter().any(|other| group.starts_with(other))
        };
        objects.iter().filter(foreign).count()
    };
    assert_eq!(foreign(&objects), 0, "{:?}", names(&objects));
    let monitored = rendered(&["serviceMonitor={\"enabled\":true,\"labels\":{\"release\":\"prometheus\"}}"]);
    let monitor = one(&monitored, "ServiceMonitor", RELEASE);
    assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
    let service = one(&monitored, "Service", RELEASE);
    for (label, value) in monitor["spec"]["selector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(&service["metadata"]["labels"][label], value);
    }
}

#[test]
fn cert_manager_may_make_the_certificate() {
    let arguments = |objects: &[Value]| {
        texts(&one(objects, "Deployment", RELEASE)["spec"]["template"]["spec"]["containers"][0]["args"])
    };
    let secrets = |objects: &[Value]| {
        let rules = one(objects, "Role", RELEASE)["rules"].as_array().unwrap().clone();
        let of_secrets = rules.iter().filter(|rule| rule["resources"] == json!(["secrets"]));
        of_secrets.flat_map(|rule| texts(&rule["verbs"])).collect::<BTreeSet<_>>()
    };
    let own = rendered(&[]);
    assert!(arguments(&own).contains(&"--certificate-mode=self".to_owned()));
    assert!(secrets(&own).contains("update"));
    let mode = "certificate.mode=\"certManager\"";
    let managed = rendered(&[mode, "decisionLog.destination=\"off\""]);
    assert!(arguments(&managed).contains(&"--certificate-mode=external".to_owned()));
    assert_eq!(secrets(&managed), BTreeSet::from(["list".to_owned(), "watch".to_owned()]), "it only reads it");
    let certificate = one(&managed, "Certificate", RELEASE);
    assert_eq!(certificate["spec"]["dnsNames"][0], "domicile.domicile-system.svc");
    assert_eq!(certificate["spec"]["issuerRef"], json!({"kind": "Issuer", "name": RELEASE}));
    one(&managed, "Issuer", RELEASE);
    let issuer = "certificate.certManager.issuerRef={\"kind\":\"ClusterIssuer\",\"name\":\"internal\"}";
    let external = rendered(&[mode, issuer]);
    assert_eq!(one(&external, "Certificate", RELEASE)["spec"]["issuerRef"]["name"], "internal");
    assert!(of_kind(&external, "Issuer").is_empty());
}

#[test]
fn decisions_are_recorded_where_the_values_say() {
    let at = |settings: &[&str]| {
        let objects = rendered(settings);
        let pod = one(&objects, "Deployment", RELEASE)["spec"]["template"]["spec"].clone();
        let rules = one(&objects, "Role", RELEASE)["rules"].as_array().unwrap().clone();
        let keys = rules.iter().filter(|rule| rule["resourceNames"] == json!(["domicile-evidence"]));
        let verbs: BTreeSet<String> = keys.flat_map(|rule| texts(&rule["verbs"])).collect();
        (pod, verbs.into_iter().collect::<Vec<_>>())
    };
    let says = |pod: &Value, argument: &str| texts(&pod["containers"][0]["args"]).contains(&argument.to_owned());
    let (pod, verbs) = at(&[]);
    assert!(says(&pod, "--decision-log=stdout") && pod["volumes"].is_null(), "{pod}");
    assert_eq!(verbs, ["list", "update", "watch"]);
    let (pod, verbs) = at(&["decisionLog.destination=\"off\""]);
    assert!(says(&pod, "--decision-log=off") && verbs.is_empty(), "{pod} {verbs:?}");
    let claim = "decisionLog.volume={\"emptyDir\":null,\"persistentVolumeClaim\":{\"claimName\":\"evidence\"}}";
    let (pod, verbs) = at(&["decisionLog.destination=\"file\"", claim]);
    assert!(says(&pod, "--decision-log=/var/log/domicile/$(POD_NAME).jsonl"), "{pod}");
    assert_eq!(pod["volumes"], json!([{"name": "decision-log", "persistentVolumeClaim": {"claimName": "evidence"}}]));
    assert_eq!(
        pod["containers"][0]["volumeMounts"],
        json!([{"name": "decision-log", "mountPath": "/var/log/domicile"}])
    );
    assert_eq!(pod["securityContext"]["fsGroup"], 65532);
    assert_eq!(verbs, ["list", "watch"]);
}

#[test]
fn what_the_operator_writes_hangs_on_an_object_of_the_release() {
    let objects = rendered(&["fullnameOverride=\"residency\""]);
    let pod = &one(&objects, "Deployment", "residency")["spec"]["template"]["spec"];
    assert!(texts(&pod["containers"][0]["args"]).contains(&"--owner=ClusterRole/residency-anchor".to_owned()));
    one(&objects, "ClusterRole", "residency-anchor");
    let rules = one(&objects, "ClusterRole", "residency")["rules"].to_string();
    assert!(rules.contains("\"residency-anchor\""), "{rules}");
}

#[test]
fn a_digest_is_stronger_than_a_tag() {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let objects =
        rendered(&[&format!("image={{\"repository\":\"registry.example.org/domicile\",\"digest\":\"{digest}\"}}")]);
    let image = &one(&objects, "Deployment", RELEASE)["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(image, &format!("registry.example.org/domicile@{digest}"));
}

#[test]
fn reports_go_where_the_values_say() {
    let arguments = |settings: &[&str]| {
        let objects = rendered(settings);
        texts(&one(&objects, "Deployment", RELEASE)["spec"]["template"]["spec"]["containers"][0]["args"])
    };
    let told = |arguments: Vec<String>| -> Vec<String> {
        arguments.into_iter().filter(|argument| argument.starts_with("--report")).collect()
    };
    assert_eq!(told(arguments(&[])), ["--report-api=auto", "--report-writes-per-second=20"]);
    assert_eq!(
        told(arguments(&["reports={\"api\":\"wgpolicy\",\"writesPerSecond\":5}"])),
        ["--report-api=wgpolicy", "--report-writes-per-second=5"]
    );
}
