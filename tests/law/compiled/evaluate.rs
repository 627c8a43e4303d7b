//! The API server's part: which generated policies a request concerns, and what they say about it. The live clusters of the
//! other test target do the same for real; here it costs next to nothing, so that it can be done for everything.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cel::{Context, Env, Program, Value as Cel};
use domicile::compile::{Kind, Plan};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};
use serde_json::{Value, json};

/// What is asked of the API server.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// `CREATE` or `CONNECT`.
    pub operation: &'static str,
    /// The plural, with the part after a slash.
    pub resource: String,
    /// The object.
    pub object: Value,
    /// Labels of its namespace.
    pub namespace: &'a BTreeMap<String, String>,
    /// Name and groups of who asks.
    pub user: Value,
    /// When.
    pub now: Timestamp,
}

/// Generated policies, ready to be asked.
pub struct Policies {
    environment: Arc<Env>,
    each: Vec<(String, Value)>,
    programs: HashMap<String, Program>,
}

impl Policies {
    /// Those of a plan that refuse.
    pub fn of(plan: &Plan) -> Self {
        let refusing = plan.objects.values().filter(|object| object.kind == Kind::ValidatingAdmissionPolicy);
        let each = refusing.map(|policy| (policy.name.clone(), (*policy.spec).clone())).collect();
        Self { environment: Arc::new(Env::stdlib()), each, programs: HashMap::new() }
    }

    /// What refuses the request, by name, with what it says.
    pub fn refusing(&mut self, asked: &Asked<'_>) -> Vec<(String, String)> {
        roomy(|| self.all_refusing(asked))
    }

    /// Whether an expression on the object alone holds.
    pub fn holds(&mut self, expression: &str, asked: &Asked<'_>) -> bool {
        roomy(|| {
            let names = self.names(&Value::Null, asked);
            self.evaluate("a condition", expression, &names) == Cel::Bool(true)
        })
    }

    fn all_refusing(&mut self, asked: &Asked<'_>) -> Vec<(String, String)> {
        let each = self.each.clone();
        let concerned = each.iter().filter(|(_, spec)| concerns(spec, asked));
        let mut all = Vec::new();
        for (name, spec) in concerned {
            let names = self.names(spec, asked);
            for validation in spec["validations"].as_array().unwrap() {
                let holds = self.evaluate(name, validation["expression"].as_str().unwrap(), &names);
                if holds != Cel::Bool(true) {
                    let message = validation.get("message").or(validation.get("messageExpression")).unwrap();
                    all.push((name.clone(), message.as_str().unwrap().to_owned()));
                }
            }
        }
        all
    }

    /// What expressions may name.
    fn names(&mut self, spec: &Value, asked: &Asked<'_>) -> Vec<(&'static str, Cel)> {
        let mut object = asked.object.clone();
        drop_nulls(&mut object);
        object["metadata"]["creationTimestamp"] = asked.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
        let (resource, part) = asked.resource.split_once('/').unwrap_or((&asked.resource, ""));
        let request = json!({
            "resource": {"group": "", "version": "v1", "resource": resource}, "subResource": part, "userInfo": asked.user,
        });
        let read = |value: &Value| cel::to_value(value).unwrap();
        let mut names = vec![("object", read(&object)), ("request", read(&request))];
        let mut variables: HashMap<String, Cel> = HashMap::new();
        for one in spec["variables"].as_array().into_iter().flatten() {
            let value = self.evaluate("a variable", one["expression"].as_str().unwrap(), &names);
            variables.insert(one["name"].as_str().unwrap().to_owned(), value);
        }
        names.push(("variables", variables.into()));
        names
    }

    fn evaluate(&mut self, what: &str, expression: &str, names: &[(&'static str, Cel)]) -> Cel {
        if !self.programs.contains_key(expression) {
            let program = self.environment.compile(expression);
            let program = program.unwrap_or_else(|error| panic!("{what} is no CEL: {error}: {expression}"));
            self.programs.insert(expression.to_owned(), program);
        }
        let mut context = Context::with_env(self.environment.clone());
        for (name, value) in names {
            context.add_variable_from_value(*name, value.clone());
        }
        self.programs[expression]
            .execute(&context)
            .unwrap_or_else(|error| panic!("{what} cannot be evaluated: {error}: {expression}"))
    }
}

/// The parser goes down into expressions as deep as they are, which is more than the stack of a test has room for.
fn roomy<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    const ROOM: usize = 64 << 20;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(ROOM).spawn_scoped(scope, work).unwrap();
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The API server knows no fields that hold nothing.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Whether a policy is asked about the request.
fn concerns(spec: &Value, asked: &Asked<'_>) -> bool {
    let limits = &spec["matchConstraints"];
    let lists = |list: &Value, wanted: &str| list.as_array().unwrap().iter().any(|one| one == wanted);
    let rules = limits["resourceRules"].as_array().unwrap();
    let labels: BTreeMap<String, String> = asked.object["metadata"]["labels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    rules.iter().any(|rule| lists(&rule["resources"], &asked.resource) && lists(&rule["operations"], asked.operation))
        && selects(&limits["namespaceSelector"], asked.namespace)
        && selects(&limits["objectSelector"], &labels)
}

fn selects(selector: &Value, labels: &BTreeMap<String, String>) -> bool {
    let selector: LabelSelector = serde_json::from_value(selector.clone()).unwrap_or_default();
    Selector::try_from(selector).unwrap().matches(labels)
}
