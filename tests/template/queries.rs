//! The saved queries: over logs that are there, of fields that are logged, and shown in docs/LOGGING.md as they are.

use relay_core::logs::field_named;
use relay_tests::{Reference, Template, read};

/// Words of the query language that the queries use; what else a query names is a field or a name of its own.
const WORDS: [&str; 20] = [
    "fields",
    "filter",
    "stats",
    "sort",
    "limit",
    "by",
    "as",
    "and",
    "or",
    "asc",
    "desc",
    "count",
    "count_distinct",
    "latest",
    "earliest",
    "pct",
    "max",
    "ispresent",
    "in",
    "not",
];
/// The fields that CloudWatch itself gives every line.
const OF_CLOUDWATCH: [&str; 1] = ["@timestamp"];

/// The resources of all saved queries, with what is asked.
fn queries(template: &Template) -> Vec<(&str, &str)> {
    let names = template.resources("AWS::Logs::QueryDefinition").into_iter();
    let text =
        |name: &str| template.at(&format!("Resources/{name}/Properties/QueryString")).as_str();
    names.map(|name| (name, text(name).expect("a query is a text"))).collect()
}

/// The text without what stands in quotes.
fn unquoted(text: &str) -> String {
    text.split('"').step_by(2).collect::<Vec<_>>().join(" ")
}

/// The fields that a query names.
fn fields(query: &str) -> Vec<String> {
    let bare = unquoted(query);
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || sign == '_' || sign == '@';
    let words: Vec<&str> = bare.split(|sign| !is_sign(sign)).filter(|it| !it.is_empty()).collect();
    let own: Vec<&str> =
        words.windows(2).filter(|pair| pair[0] == "as").map(|pair| pair[1]).collect();
    let is_number = |word: &str| word.bytes().all(|sign| sign.is_ascii_digit());
    let named = words
        .into_iter()
        .filter(|word| !WORDS.contains(word) && !own.contains(word) && !is_number(word));
    named.map(str::to_owned).collect()
}

#[test]
fn there_are_queries_for_the_questions_that_on_call_asks() {
    let template = Template::load();
    let names: Vec<_> = queries(&template).into_iter().map(|(name, _)| name).collect();
    let expected = [
        "StoryQuery",
        "FailingDestinationsQuery",
        "SlowestTargetsQuery",
        "RefusedQuery",
        "RateLimitedQuery",
    ];
    assert_eq!(names, expected);
    for (name, text) in queries(&template) {
        assert!(text.starts_with("fields ") || text.starts_with("filter "), "{name}");
        let limit =
            text.trim_end().rsplit_once("| limit ").and_then(|(_, it)| it.parse::<u32>().ok());
        assert!(limit.is_some_and(|limit| limit <= 10_000), "{name} has no limit");
    }
}

#[test]
fn a_query_names_fields_that_are_logged() {
    let template = Template::load();
    for (name, text) in queries(&template) {
        let found = fields(text);
        assert!(!found.is_empty(), "{name}");
        for field in found {
            let is_known = field_named(&field).is_some() || OF_CLOUDWATCH.contains(&field.as_str());
            assert!(is_known, "{name} asks for {field}, which nothing logs");
        }
    }
}

#[test]
fn a_query_goes_over_log_groups_of_the_template() {
    let template = Template::load();
    let groups = template.resources("AWS::Logs::LogGroup");
    for (name, _) in queries(&template) {
        let path = format!("Resources/{name}/Properties/LogGroupNames");
        let asked = template.at(&path).as_sequence().expect("a list of groups");
        assert!(!asked.is_empty(), "{name}");
        for group in asked {
            let Some(Reference::Ref(group)) = Reference::of(group) else {
                panic!("{name}: {group:?} is no reference")
            };
            assert!(groups.contains(&group), "{name}: there is no {group}");
        }
    }
    // A story has lines of every function.
    let all = template.at("Resources/StoryQuery/Properties/LogGroupNames");
    assert_eq!(
        all.as_sequence().map(Vec::len),
        Some(template.resources("AWS::Serverless::Function").len())
    );
}

#[test]
fn the_documents_show_every_query_as_it_is() {
    let template = Template::load();
    let text = read("docs/LOGGING.md");
    for (name, query) in queries(&template) {
        let title = template.at(&format!("Resources/{name}/Properties/Name"));
        let Some(Reference::Sub(title)) = Reference::of(title) else { panic!("{name}: {title:?}") };
        let title = title.strip_prefix("${AWS::StackName}/").expect("in a folder of the stack");
        let shown = format!("### {title}\n\n```\n{}\n```\n", query.trim_end());
        assert!(text.contains(&shown), "docs/LOGGING.md has to hold:\n{shown}");
    }
}

#[test]
fn fields_of_a_query_are_told_from_its_own_words() {
    let query = "filter a = \"b c\" and ispresent(d)\n| stats pct(e, 95) as f, count(*) as g by h\n| sort f desc";
    assert_eq!(fields(query), ["a", "d", "e", "h"]);
}
