//! Settings: whatever the environment holds, they are usable and within their bounds, or each mistake is
//! told by name. None is a secret.

use std::collections::BTreeMap;

use proptest::prelude::*;
use relay_core::attempt::SETTLE_TIME;
use relay_core::retry::Jitter;
use relay_core::settings::{ALL, IngestSettings, Setting, WorkerSettings};

use crate::more;

/// A value of any kind: often a number, sometimes the setting's own default, sometimes nothing sensible.
fn value() -> impl Strategy<Value = String> {
    let odd = [
        "",
        " ",
        "0",
        "-1",
        "1e3",
        "0x10",
        "NaN",
        "inf",
        "-0.0",
        "+5",
        "1.5",
        "99999999999999999999",
        "1_000",
        "off",
        "emf",
        "INFO",
        "sender",
        "10.0.0.0/8",
        "a.internal:80",
        "10.0.0.0/99",
        "[::1",
    ];
    prop_oneof![
        3 => (0..2000_u64).prop_map(|number| number.to_string()),
        2 => (0.0..1000.0_f64).prop_map(|number| number.to_string()),
        2 => any::<u64>().prop_map(|number| number.to_string()),
        1 => any::<f64>().prop_map(|number| number.to_string()),
        3 => prop::sample::select(odd.to_vec()).prop_map(str::to_owned),
        1 => "\\PC{0,30}",
    ]
}

/// Some settings set, the required ones mostly.
fn environment() -> impl Strategy<Value = BTreeMap<&'static str, String>> {
    let names: Vec<_> = ALL.iter().map(|setting| setting.name).collect();
    let chosen = prop::collection::btree_map(prop::sample::select(names), value(), 0..6);
    (chosen, 0..10_u8).prop_map(|(mut all, spare)| {
        let required = ["DYNAMODB_TABLE", "SQS_QUEUE_URL", "SQS_DLQ_URL", "S3_BUCKET"];
        for name in required.into_iter().skip(usize::from(spare == 0)) {
            all.entry(name).or_insert_with(|| "x".to_owned());
        }
        all
    })
}

/// The numbers that a setting says it takes: from, to, and whether they are whole.
fn range_of(setting: &Setting) -> Option<(f64, f64, bool)> {
    let (kind, rest) = setting.expects.split_once(" from ")?;
    let (least, most) = rest.split_once(" to ")?;
    let most = most.split(',').next()?;
    Some((least.parse().ok()?, most.parse().ok()?, kind == "a whole number"))
}

/// Whether the documents let the setting have this value; nothing where they do not speak of numbers.
fn may_be(setting: &Setting, value: &str) -> Option<bool> {
    let (least, most, whole) = range_of(setting)?;
    let number = value.parse::<f64>().ok().filter(|_| !whole || value.parse::<u64>().is_ok());
    Some(number.is_some_and(|number| (least..=most).contains(&number)))
}

/// The settings that the text of mistakes names as having no good value of their own.
fn told_of(mistakes: &str) -> Vec<&str> {
    let lines = mistakes.lines().skip(1).filter(|line| !line.contains(" must be "));
    lines.filter_map(|line| line.split_whitespace().next()).collect()
}

proptest! {
    #![proptest_config(more(4))]

    #[test]
    fn f31_settings_are_usable_or_refused_by_name(given in environment()) {
        let lookup = |name: &str| given.get(name).cloned();
        let worker = WorkerSettings::read(&lookup).err().map(|mistakes| mistakes.to_string());
        let ingest = IngestSettings::read(&lookup).err().map(|mistakes| mistakes.to_string());
        let told: Vec<_> = worker.iter().chain(&ingest).flat_map(|text| told_of(text)).collect();
        for name in &told {
            prop_assert!(ALL.iter().any(|setting| setting.name == *name), "{name}");
        }
        // The readers take what the table says that they take, and nothing else.
        for setting in ALL {
            let value = given.get(setting.name).filter(|value| !value.is_empty());
            if let Some(may_be) = value.and_then(|value| may_be(setting, value)) {
                prop_assert_eq!(told.contains(&setting.name), !may_be, "{} is {:?}", setting.name, value);
            }
            if setting.default.is_none() {
                prop_assert_eq!(told.contains(&setting.name), value.is_none(), "{}", setting.name);
            }
        }
    }

    #[test]
    fn f12_settings_that_were_taken_fit_together(given in environment()) {
        if let Ok(settings) = WorkerSettings::read(&|name| given.get(name).cloned()) {
            let largest = given.get("PAYLOAD_BYTES_MAX").filter(|text| !text.is_empty());
            let largest = largest.map_or(100 << 20, |text| text.parse().unwrap());
            prop_assert!(settings.connect_timeout <= settings.timeout);
            prop_assert!(settings.timeout + SETTLE_TIME <= settings.lease);
            prop_assert!(settings.longest_attempt(largest) + SETTLE_TIME <= settings.lease);
            for attempt in [1, 2, 100, u32::MAX] {
                let wait = settings.retry.delay(attempt, Jitter::new(1.0), None);
                prop_assert!(!wait.is_zero() && wait <= settings.retry.delay_max);
            }
        }
    }

    #[test]
    fn f31_of_several_wrong_settings_each_is_told(wrong in prop::collection::btree_set(0..ALL.len(), 1..5)) {
        let wrong: Vec<_> = wrong.into_iter().map(|at| &ALL[at]).filter(|setting| setting.default.is_some()).collect();
        // No setting with a default takes this: it is no number, no name of a choice, no list.
        let lookup = |name: &str| {
            let is_wrong = wrong.iter().any(|setting| setting.name == name);
            Some(if is_wrong { "no such:value/!".to_owned() } else { ALL.iter().find(|it| it.name == name)?.default.unwrap_or("x").to_owned() })
        };
        let worker = WorkerSettings::read(&lookup).err().map(|mistakes| mistakes.to_string());
        let ingest = IngestSettings::read(&lookup).err().map(|mistakes| mistakes.to_string());
        let told: String = worker.into_iter().chain(ingest).collect();
        for setting in &wrong {
            prop_assert!(told.contains(&format!("\n  {} ", setting.name)), "{} in {told}", setting.name);
        }
    }
}
