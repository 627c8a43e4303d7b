//! `domicile check --geo-database`

use serde_json::{Value, json};

use super::domicile;

/// What is between the tree and the data.
const GAP: usize = 16;

/// A value in the format of such databases (MaxMind DB 2.0): maps, lists, texts and numbers.
fn encoded(value: &Value) -> Vec<u8> {
    let head = |kind: u8, size: usize| {
        assert!(size < 29, "longer ones take another form");
        let size = u8::try_from(size).unwrap();
        if kind < 8 { vec![kind << 5 | size] } else { vec![size, kind - 7] }
    };
    match value {
        Value::String(text) => [head(2, text.len()), text.as_bytes().to_vec()].concat(),
        // The format tells numbers of 16, 32 and 64 bits apart; only the time of the build needs the last.
        Value::Number(number) => match number.as_u64().unwrap() {
            small @ ..0x1_0000 => [head(5, 2), small.to_be_bytes()[6..].to_vec()].concat(),
            large => [head(9, 8), large.to_be_bytes().to_vec()].concat(),
        },
        Value::Array(all) => [head(11, all.len()), all.iter().flat_map(encoded).collect()].concat(),
        Value::Object(all) => {
            // The one number of 32 bits.
            let count = |value: &Value| [head(6, 4), value.as_u64().unwrap().to_be_bytes()[4..].to_vec()].concat();
            let entry = |key: &str, value| if key == "node_count" { count(value) } else { encoded(value) };
            let entries =
                all.iter().flat_map(|(key, value)| [encoded(&key.as_str().into()), entry(key, value)].concat());
            [head(7, all.len()), entries.collect()].concat()
        }
        other => panic!("not needed: {other}"),
    }
}

/// A database that knows 8.8.4.0/24 and nothing else.
fn database(country: &str) -> Vec<u8> {
    let prefix = u32::from_be_bytes([8, 8, 4, 0]);
    let nodes = 24_usize;
    let mut tree = Vec::new();
    for depth in 0..nodes {
        let next = if depth + 1 == nodes { nodes + GAP } else { depth + 1 };
        let one = prefix >> (31 - depth) & 1 == 1;
        for record in if one { [nodes, next] } else { [next, nodes] } {
            tree.extend(&u32::try_from(record).unwrap().to_be_bytes()[1..]);
        }
    }
    let data = encoded(&json!({"country": {"iso_code": country}}));
    let metadata = encoded(&json!({
        "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": 1_764_288_000,
        "database_type": "Example-Country", "description": {}, "ip_version": 4, "languages": [], "node_count": nodes, "record_size": 24,
    }));
    [tree, vec![0; GAP], data, b"\xab\xcd\xefMaxMind.com".to_vec(), metadata].concat()
}

/// A pod with German data that is told of an address, under a policy that refuses what is not proven.
const STACK: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: cx, labels: {domicile.dev/origin: DE}}
---
apiVersion: v1
kind: Pod
metadata: {name: app, namespace: cx}
spec:
  nodeSelector: {topology.kubernetes.io/region: eu-central-1}
  containers: [{name: app, image: 'example.org/app:1', env: [{name: SINK_URL, value: 'https://8.8.4.4/answers'}]}]
";

#[test]
fn a_hint_is_told_and_proves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let stack = folder.path().join("stack.yaml");
    std::fs::write(&stack, STACK).unwrap();
    let check =
        |more: &[&str]| domicile(&[&["check", "-o", "json", "-f", stack.to_str().unwrap()], more].concat(), b"");
    let without = check(&[]);
    assert_eq!(without.code, Some(3), "{without:?}");
    assert!(without.stdout.contains("no Location has the address 8.8.4.4"), "{without:?}");
    assert!(!without.stdout.contains("believes"), "{without:?}");
    // Neither a country where the data may be nor another one makes a difference to the verdict.
    for country in ["DE", "US"] {
        let file = folder.path().join(country);
        std::fs::write(&file, database(country)).unwrap();
        let with = check(&["--geo-database", file.to_str().unwrap()]);
        let told = format!(", which a database believes in {country} without proof");
        assert!(with.stdout.contains(&told), "{with:?}");
        assert_eq!((with.code, with.stdout.replace(&told, "")), (without.code, without.stdout.clone()));
    }
}

#[test]
fn what_is_no_database_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (stack, file) = (folder.path().join("stack.yaml"), folder.path().join("geo.mmdb"));
    std::fs::write(&stack, STACK).unwrap();
    let check = || domicile(&["check", "-f", stack.to_str().unwrap(), "--geo-database", file.to_str().unwrap()], b"");
    let missing = check();
    assert_eq!(missing.code, Some(65), "{missing:?}");
    assert!(missing.stderr.contains("failed to read") && missing.stderr.contains("geo.mmdb"), "{missing:?}");
    for bytes in [b"no database".to_vec(), database("DE")[..200].to_vec()] {
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(check().code, Some(65));
    }
}
