//! `domicile check` on manifests that try to look harmless: what leads abroad is found, what is not proven stays unproven,
//! and nothing of a credential or a path is ever shown.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{NAMESPACE, Run, check};

/// Stands for a password, token or path in what is checked; nobody may ever read it in an answer.
const CANARY: &str = "kanarienvogel";
/// Ends in which a check comes out.
const ALLOWED: i32 = 0;
const OUTSIDE: i32 = 1;
const UNPROVEN: i32 = 3;
const BAD_INPUT: i32 = 65;

/// Checks documents in the namespace with data of people in Germany.
#[track_caller]
fn expect(documents: &str, code: i32, part: &str) -> Run {
    let run = check(&format!("{NAMESPACE}---\n{documents}"));
    let said = format!("{}{}", run.stdout, run.stderr);
    let shown: String = said.chars().take(2000).collect();
    assert_eq!(run.code, Some(code), "{shown}");
    assert!(said.contains(part), "does not say {part:?}: {shown}");
    assert!(!said.to_lowercase().contains(CANARY), "shows what is secret: {shown}");
    run
}

/// A pod in Germany whose containers are told something.
fn told(container: &Value) -> String {
    let mut container = container.clone();
    container["name"] = "app".into();
    container["image"] = "example.org/app:1".into();
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app", "namespace": "cx"},
        "spec": {
            "nodeSelector": {"domicile.node-restriction.kubernetes.io/country": "DE"},
            "containers": [container],
        },
    })
    .to_string()
}

/// The same with one variable.
fn uploads(to: &str) -> String {
    told(&json!({"env": [{"name": "UPLOAD_URL", "value": to}]}))
}

/// A backup storage location of Velero, around the rest of its specification.
fn backup(version: &str, metadata: &str, config: &str) -> String {
    format!(
        "apiVersion: velero.io/{version}
kind: BackupStorageLocation
metadata: {{{metadata}, namespace: cx}}
spec:
  provider: aws
  objectStorage: {{bucket: nightly}}
{config}
"
    )
}

/// A place in Ohio and one in Frankfurt with addresses.
const LOCATIONS: &str = "
apiVersion: domicile.dev/v1alpha1
kind: Location
metadata: {name: ohio}
spec: {country: US, cidrs: [198.51.100.0/24]}
---
apiVersion: domicile.dev/v1alpha1
kind: Location
metadata: {name: frankfurt}
spec: {country: DE, cidrs: [10.20.0.0/16]}
---
";

#[test]
fn a_host_in_disguise_leads_where_it_leads() {
    let unknown = "no Location and no Provider knows the host s3.eu-central-1.amazonaws.com.attacker.example";
    for (url, code, part) in [
        ("https://s3.eu-central-1.amazonaws.com.attacker.example/kanarienvogel", UNPROVEN, unknown),
        ("https://S3.EU-Central-1.amazonaws.com./kanarienvogel", ALLOWED, ""),
        ("HTTPS://S3.US-EAST-1.AMAZONAWS.COM./kanarienvogel", OUTSIDE, "in US"),
        ("https://s3.us-east-1.amazonaws.com../kanarienvogel", UNPROVEN, "a host is no name"),
        // Signs that mean the same, and signs in another spelling.
        ("https://s3%2Eus-east-1.amazonaws.com/kanarienvogel", OUTSIDE, "in US"),
        ("https://s3.us%2Deast-1.amazonaws.com/", OUTSIDE, "in US"),
        ("https://s3\u{3002}us-east-1\u{3002}amazonaws\u{ff0e}com/kanarienvogel", OUTSIDE, "in US"),
        ("https://s3.eu-central-1.amazonaws.com%00.attacker.example/", UNPROVEN, "a host is no name"),
        ("https://s3.us-\neast-1.amazonaws.com/", UNPROVEN, "no Location and no Provider knows"),
        // What stands before the host is a user, not a host.
        ("https://kanarienvogel:kanarienvogel@s3.us-east-1.amazonaws.com/kanarienvogel", OUTSIDE, "in US"),
        ("https://s3.eu-central-1.amazonaws.com@s3.us-east-1.amazonaws.com/", OUTSIDE, "in US"),
        ("https://s3.eu-central-1.amazonaws.com:kanarienvogel@s3.us-east-1.amazonaws.com/", OUTSIDE, "in US"),
        ("https://s3.eu-central-1.amazonaws.com%2Fkanarienvogel@s3.us-east-1.amazonaws.com/", OUTSIDE, "in US"),
        ("https://s3.us-east-1.amazonaws.com\\@s3.eu-central-1.amazonaws.com/", UNPROVEN, "read in two ways"),
        ("https://s3.eu-central-1.amazonaws.com#@s3.us-east-1.amazonaws.com/", UNPROVEN, "read in two ways"),
    ] {
        expect(&uploads(url), code, part);
    }
}

#[test]
fn an_address_in_disguise_is_the_same_address() {
    for address in ["198.51.100.7", "[::ffff:198.51.100.7]", "[::ffff:c633:6407]:8080", "3325256711", "0xc6336407"] {
        let url = format!("http://kanarienvogel@{address}/kanarienvogel");
        expect(&format!("{LOCATIONS}{}", uploads(&url)), OUTSIDE, "in US");
        expect(&uploads(&url), UNPROVEN, "no Location has the address 198.51.100.7");
    }
    expect(&uploads("http://[::ffff:127.0.0.1]/kanarienvogel"), ALLOWED, "");
}

/// Browsers and the programs that read as they do take one slash, or none, for two.
#[test]
fn a_scheme_without_both_slashes_proves_nothing() {
    for url in ["https:/s3.us-east-1.amazonaws.com/kanarienvogel", "https:s3.us-east-1.amazonaws.com/kanarienvogel"] {
        let run = expect_refused(&uploads(url));
        assert!(run.stdout.contains("env[UPLOAD_URL]"), "{url}: {run:?}");
    }
}

/// Refused as outside or as unproven.
#[track_caller]
fn expect_refused(documents: &str) -> Run {
    let run = check(&format!("{NAMESPACE}---\n{documents}"));
    assert!(matches!(run.code, Some(OUTSIDE | UNPROVEN)), "{run:?}");
    assert!(!format!("{run:?}").to_lowercase().contains(CANARY), "{run:?}");
    run
}

#[test]
fn settings_in_a_variable_count_however_they_are_written() {
    for (name, value) in [
        ("SPRING_APPLICATION_JSON", r#"{"s3": {"region": "us-east-1"}}"#),
        ("SPRING_APPLICATION_JSON", r#"{"s3":{"region":"us-east-1"}}"#),
        ("JAVA_TOOL_OPTIONS", "-Xmx512m -Daws.region=us-east-1"),
        ("JAVA_TOOL_OPTIONS", "-Daws.region=us-east-1"),
        ("AWS_REGIONS", "eu-central-1\nus-east-1"),
        ("MAIL_DOMAIN", "email-smtp.us-east-1.amazonaws.com"),
        ("HTTPS_PROXY", "answers.c9akl2.us-east-1.rds.amazonaws.com:3128"),
    ] {
        let run = expect_refused(&told(&json!({"env": [{"name": name, "value": value}]})));
        assert!(run.stdout.contains(&format!("env[{name}]")), "{value}: {run:?}");
    }
}

#[test]
fn of_two_regions_in_a_resource_name_both_count() {
    for name in [
        "arn:aws:s3:eu-central-1:111122223333:accesspoint/a,arn:aws:s3:us-east-1:111122223333:accesspoint/kanarienvogel",
        "arn:aws:s3:us-east-1:111122223333:accesspoint/eu-central-1",
        "arn:aws:bedrock:eu-central-1:111122223333:inference-profile/us.anthropic.claude-3-5-sonnet-20241022-v2:0",
    ] {
        expect(&uploads(name), OUTSIDE, "US; policy law allows");
    }
}

#[test]
fn a_resource_name_within_another_counts() {
    let function = "arn:aws:lambda:us-east-1:111122223333:function:kanarienvogel";
    let name = format!("arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/{function}/invocations");
    expect(&uploads(&name), OUTSIDE, "in US");
}

#[test]
fn nothing_secret_is_shown_of_what_is_not_understood() {
    for text in [
        "https://kanarienvogel:kanarienvogel@db.partner.attacker.example/kanarienvogel?k=kanarienvogel#kanarienvogel",
        "https://db.partner.attacker.example:kanarienvogel/",
        "https://kanarienvogel%zz@db.partner.attacker.example",
        "postgres://app:kanarien/vogel@db.partner.attacker.example/kanarienvogel",
        "postgres://app:kanarienvogel/x@db.partner.attacker.example/kanarienvogel",
        "app:kanarienvogel@tcp(db.partner.attacker.example:3306)/kanarienvogel",
        "jdbc:sqlserver://db.partner.attacker.example;user=sa;password=kanarienvogel",
        "jdbc:oracle:thin:scott/kanarienvogel@db.partner.attacker.example:1521:kanarienvogel",
        "Server=db.partner.attacker.example;Password=kanarienvogel",
        "redis://:kanarienvogel@db.partner.attacker.example",
    ] {
        expect_refused(&uploads(text));
    }
    // What is a secret by its name is not even looked at,
    expect(&told(&json!({"env": [{"name": "API_TOKEN", "value": "kanarienvogel/us-east-1"}]})), ALLOWED, "");
    // but for an address, of which the host alone counts and is shown.
    let address = "https://kanarienvogel:kanarienvogel@sqs.us-east-1.amazonaws.com/kanarienvogel?k=kanarienvogel";
    expect(&told(&json!({"env": [{"name": "API_TOKEN", "value": address}]})), OUTSIDE, "env[API_TOKEN]");
}

#[test]
fn a_mirror_of_nothing_can_be_turned_up_at_once() {
    let route = |version: &str, name: &str, share: &str| {
        format!(
            "apiVersion: v1
kind: Service
metadata: {{name: shadow, namespace: out}}
spec: {{type: ExternalName, externalName: s3.us-east-1.amazonaws.com}}
---
apiVersion: gateway.networking.k8s.io/{version}
kind: HTTPRoute
metadata: {{{name}, namespace: cx}}
spec:
  rules:
  - backendRefs: [{{name: answers, port: 80}}]
    filters:
    - type: RequestMirror
      requestMirror: {{{share} backendRef: {{name: shadow, namespace: out, port: 80}}}}
"
        )
    };
    for share in ["", "percent: 0,", "fraction: {numerator: 0, denominator: 100},"] {
        expect(&route("v1", "name: survey", share), OUTSIDE, "spec.rules[0].filters[0].requestMirror.backendRef.name");
    }
    // The server makes the rest of the name.
    expect(&route("v1", "generateName: survey-", ""), OUTSIDE, "requestMirror.backendRef.name");
    // The fields may mean something else in a version that nobody knows.
    expect(&route("v9", "name: survey", ""), OUTSIDE, "no ResourceInterpreter knows version v9 of HTTPRoute");
}

#[test]
fn only_the_field_itself_is_proof() {
    let home = "  config: {region: eu-central-1}";
    expect(&backup("v1", "name: nightly", home), ALLOWED, "");
    let unknown = "bucket nightly is in no Location";
    expect(&backup("v1", "name: nightly", ""), UNPROVEN, unknown);
    expect(&backup("v1", "name: nightly", "  # config: {region: eu-central-1}"), UNPROVEN, unknown);
    let annotated = "name: nightly, annotations: {region: eu-central-1, velero.io/region: eu-central-1}";
    expect(&backup("v1", annotated, ""), UNPROVEN, unknown);
    expect(
        &backup("v1", "name: nightly, labels: {topology.kubernetes.io/region: eu-central-1}", ""),
        UNPROVEN,
        unknown,
    );
    expect(&backup("v1", "name: nightly", "  region: eu-central-1"), UNPROVEN, unknown);
    // The same field in a version that nobody knows.
    expect(&backup("v9", "name: nightly", home), UNPROVEN, "no ResourceInterpreter knows version v9");
    expect(&backup("v1", "generateName: nightly-", "  config: {region: us-east-1}"), OUTSIDE, "spec.config.region");
}

#[test]
fn an_object_within_a_list_or_behind_another_is_judged() {
    let (home, abroad) = ("  config: {region: eu-central-1}", "  config: {region: us-east-1}");
    let second = format!("{}---\n{}", backup("v1", "name: first", home), backup("v1", "name: second", abroad));
    let run = expect(&second, OUTSIDE, "spec.config.region");
    assert!(run.stdout.contains("BackupStorageLocation/first (cx)   Allow"), "{run:?}");
    let object = json!({
        "apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
        "metadata": {"name": "nightly", "namespace": "cx"},
        "spec": {"provider": "aws", "objectStorage": {"bucket": "nightly"}, "config": {"region": "us-east-1"}},
    });
    let list = |version: &str, kind: &str| json!({"apiVersion": version, "kind": kind, "items": [object]}).to_string();
    for list in [object.to_string(), list("v1", "List"), list("velero.io/v1", "BackupStorageLocationList")] {
        expect(&list, OUTSIDE, "spec.config.region");
    }
}

#[test]
fn anchors_and_merges_mean_what_they_stand_for() {
    let settings = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: cx}
data:
  NOTE: &there us-east-1
  S3_REGION: *there
";
    expect(settings, OUTSIDE, "in US");
    let merged = backup("v1", "name: nightly", "  config:\n    <<: {region: us-east-1}");
    expect(&merged, OUTSIDE, "spec.config.region");
    // What grows without end is no input.
    let mut bomb =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb, namespace: cx}\na0: &a0 [x, x, x]\n".to_owned();
    for level in 1..20 {
        let before = level - 1;
        writeln!(bomb, "a{level}: &a{level} [*a{before}, *a{before}, *a{before}, *a{before}]").unwrap();
    }
    expect(&bomb, BAD_INPUT, "budget");
}

#[test]
fn a_key_that_is_there_twice_is_bad_input() {
    for twice in ["region: us-east-1, region: eu-central-1", "region: eu-central-1, region: us-east-1"] {
        expect(&backup("v1", "name: nightly", &format!("  config: {{{twice}}}")), BAD_INPUT, "duplicate");
    }
    let json = r#"{"apiVersion": "velero.io/v1", "kind": "BackupStorageLocation", "metadata": {"name": "n", "namespace": "cx"},
        "spec": {"provider": "aws", "config": {"region": "us-east-1", "region": "eu-central-1"}}}"#;
    expect(json, BAD_INPUT, "duplicate");
    // Two variables of one name are no mistake of the text: whichever wins counts.
    let variable = |region: &str| json!({"name": "AWS_REGION", "value": region});
    for both in [["us-east-1", "eu-central-1"], ["eu-central-1", "us-east-1"]] {
        expect(&told(&json!({"env": both.map(variable)})), OUTSIDE, "env[AWS_REGION]");
    }
}

/// The text around a mistake may hold anything.
#[test]
fn nothing_secret_is_shown_of_what_cannot_be_read() {
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: cx}\nstringData:\n  password: kanarienvogel\n";
    expect(&format!("{secret}  a: x\n  a: y\n"), BAD_INPUT, "duplicate");
    expect(&format!("{secret} b: [\n"), BAD_INPUT, "line");
}

#[test]
fn ephemeral_containers_count() {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app", "namespace": "cx"},
        "spec": {
            "nodeSelector": {"domicile.node-restriction.kubernetes.io/country": "DE"},
            "containers": [{"name": "app", "image": "example.org/app:1"}],
            "ephemeralContainers": [
                {"name": "debug", "image": "example.org/debug:1", "env": [{"name": "AWS_REGION", "value": "us-east-1"}]},
            ],
        },
    });
    expect(&pod.to_string(), OUTSIDE, "spec.ephemeralContainers[0].env[AWS_REGION]");
}

/// Long enough for a slow machine, far too short for work that grows with the square of the text.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn one_endpoint_abroad_among_a_thousand_is_found() {
    let started = Instant::now();
    let mut hosts: Vec<String> = (0..999).map(|at| format!("b{at}.c2.kafka.eu-central-1.amazonaws.com:9092")).collect();
    hosts.insert(500, "b.c2.kafka.us-east-1.amazonaws.com:9092".to_owned());
    let brokers = json!({"env": [{"name": "BOOTSTRAP_SERVERS", "value": hosts.join(",")}]});
    expect(&told(&brokers), OUTSIDE, "env[BOOTSTRAP_SERVERS]");
    let each = |(at, host): (usize, &String)| json!({"name": format!("N{at}_HOST"), "value": host});
    let variables: Vec<Value> = hosts.iter().enumerate().map(each).collect();
    expect(&told(&json!({"env": variables})), OUTSIDE, "env[N500_HOST]");
    let address = |at: u32| json!({"addresses": [format!("10.20.{}.{}", at / 250, at % 250 + 1)]});
    let mut endpoints: Vec<Value> = (0..999).map(address).collect();
    endpoints.push(json!({"addresses": ["198.51.100.7"]}));
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "s", "namespace": "cx"},
        "addressType": "IPv4", "endpoints": endpoints,
    });
    expect(&format!("{LOCATIONS}{slice}"), OUTSIDE, "endpoints[999].addresses[0]");
    assert!(started.elapsed() < PATIENCE, "took {:?}", started.elapsed());
}

/// A config map around one file.
fn file(text: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "cx"},
        "data": {"agent.conf": text, "z_region": "eu-central-1"},
    })
    .to_string()
}

/// As large as an object may be.
const LARGEST: usize = 1 << 20;

#[test]
fn an_object_as_large_as_may_be_is_judged_in_time() {
    let started = Instant::now();
    let padded = |before: usize, text: &str| format!("{}\n{text}\n", "padding = 1\n".repeat(before / 12));
    expect(&file("endpoint = https://s3.us-east-1.amazonaws.com/kanarienvogel"), OUTSIDE, "in US");
    for text in
        ["x".repeat(LARGEST), "https://".repeat(LARGEST / 8), "a=".repeat(LARGEST / 2), "{{".repeat(LARGEST / 2)]
    {
        let run = check(&format!("{NAMESPACE}---\n{}", file(&text)));
        assert!(matches!(run.code, Some(ALLOWED | UNPROVEN)), "{:?}", run.code);
    }
    expect(&uploads(&padded(LARGEST, "https://s3.us-east-1.amazonaws.com/kanarienvogel")), OUTSIDE, "too long");
    assert!(started.elapsed() < PATIENCE, "took {:?}", started.elapsed());
}

/// Whoever writes a file chooses how much stands before the line that counts.
#[test]
fn padding_hides_nothing() {
    for before in [1 << 10, 1 << 15, 1 << 17, LARGEST / 2] {
        let text = format!("{}endpoint = https://s3.us-east-1.amazonaws.com\n", "padding = 1\n".repeat(before / 12));
        expect_refused(&file(&text));
    }
}
