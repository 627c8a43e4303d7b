//! Node affinity as the scheduler understands it, written from its documentation and independent of the code under test:
//! terms are ORed, the requirements of a term ANDed, an empty term matches nothing, the node selector holds beside all
//! of it, and a node name bypasses it.

use serde_json::Value;

/// Whether the pod may come to run on this node.
pub fn accepts(node: &Value, pod: &Value) -> bool {
    let name = node["metadata"]["name"].as_str().unwrap();
    if let Some(bound) = pod["spec"]["nodeName"].as_str().filter(|bound| !bound.is_empty()) {
        return bound == name;
    }
    let label = |key: &str| node["metadata"]["labels"].get(key).and_then(Value::as_str);
    let selected = pod["spec"]["nodeSelector"].as_object();
    if !selected.into_iter().flatten().all(|(key, value)| label(key) == value.as_str()) {
        return false;
    }
    let required =
        pod["spec"].pointer("/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
    let Some(terms) = required.and_then(Value::as_array) else { return true };
    terms.iter().any(|term| {
        let list = |key: &str| term[key].as_array().cloned().unwrap_or_default();
        let (expressions, fields) = (list("matchExpressions"), list("matchFields"));
        if expressions.is_empty() && fields.is_empty() {
            return false;
        }
        expressions.iter().all(|one| holds(one, label(one["key"].as_str().unwrap())))
            && fields.iter().all(|one| one["key"] == "metadata.name" && holds(one, Some(name)))
    })
}

fn holds(requirement: &Value, label: Option<&str>) -> bool {
    let values: Vec<&str> = requirement["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let compare = |wanted: fn(i64, i64) -> bool| {
        let (label, value) = (label.and_then(|label| label.parse().ok()), values.first().map(|value| value.parse()));
        matches!((label, value), (Some(label), Some(Ok(value))) if wanted(label, value))
    };
    match requirement["operator"].as_str().unwrap() {
        "In" => label.is_some_and(|label| values.contains(&label)),
        "NotIn" => label.is_none_or(|label| !values.contains(&label)),
        "Exists" => label.is_some(),
        "DoesNotExist" => label.is_none(),
        "Gt" => compare(|label, value| label > value),
        "Lt" => compare(|label, value| label < value),
        other => panic!("no operator of the scheduler: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn terms_are_ored_and_an_empty_one_matches_nothing() {
        let node = json!({"metadata": {"name": "a", "labels": {"disk": "ssd", "cpu": "8"}}});
        let pod = |terms: Value| {
            let required = json!({"nodeSelectorTerms": terms});
            json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}})
        };
        let term = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        for (wanted, terms) in [
            (false, json!([])),
            (false, json!([{}])),
            (true, json!([{}, term("disk", "In", &["hdd", "ssd"])])),
            (false, json!([term("disk", "NotIn", &["ssd"]), term("gpu", "Exists", &[])])),
            (true, json!([term("gpu", "NotIn", &["x"])])),
            (true, json!([term("cpu", "Gt", &["4"])])),
            (false, json!([term("disk", "Lt", &["4"])])),
            (true, json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}])),
        ] {
            assert_eq!(accepts(&node, &pod(terms.clone())), wanted, "{terms}");
        }
        assert!(accepts(&node, &json!({"spec": {"nodeSelector": {"disk": "ssd"}}})));
        assert!(!accepts(&node, &json!({"spec": {"nodeSelector": {"disk": "ssd"}, "nodeName": "b"}})));
    }
}
