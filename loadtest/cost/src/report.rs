//! Many setups side by side, with bars, peers' prices, what dominates and what to change; as a table to read and as
//! JSON to keep.

use std::fmt;

use serde::Serialize;

use crate::assumptions::Assumptions;
use crate::bars::{Bar, bars, provisioned};
use crate::bill::{Bill, Fixed, Item, fixed};
use crate::error::CostError;
use crate::levers::{Lever, levers};
use crate::model::units;
use crate::prices::{Peer, PriceList};
use crate::setup::{FrontDoor, Pricing, Setup, Tracking};
use crate::units::Units;

/// Items named as the ones that dominate.
const DOMINANT: usize = 3;
/// Things to change that are named.
const CHANGES: usize = 4;

/// A setup and the units of one of its messages.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    /// What it is called.
    pub name: String,
    /// The setup.
    pub setup: Setup,
    /// What one message uses.
    pub units: Units,
    /// The fields of `units` that were counted and not computed.
    pub counted: Vec<String>,
}

impl Profile {
    /// With all units computed.
    ///
    /// # Errors
    /// Those of [`units`].
    pub fn computed(name: &str, setup: Setup, assume: &Assumptions) -> Result<Self, CostError> {
        let units = units(&setup, assume)?;
        Ok(Self { name: name.to_owned(), setup, units, counted: Vec::new() })
    }
}

/// A profile and its bills.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The profile.
    pub profile: Profile,
    /// With a table paid for by the request.
    pub on_demand: Bill,
    /// With a provisioned table.
    pub provisioned: Bill,
    /// What to change.
    pub levers: Vec<Lever>,
}

/// The whole report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// One for each profile.
    pub rows: Vec<Row>,
    /// Bars that the rows have figures for.
    pub bars: Vec<Bar>,
    /// What others ask.
    pub peers: Vec<Peer>,
    /// What is paid by the month.
    pub fixed: Vec<Fixed>,
    /// What was taken for granted.
    pub assumptions: Assumptions,
    /// At which prices.
    pub prices: PriceList,
}

/// The setups that are compared, all computed: naive, the template's own, single and bulk, full and lean, retained and
/// not, and larger bodies.
///
/// # Errors
/// `CostError` if one of the crate's files is not what it has to be.
pub fn defaults() -> Result<Vec<Profile>, CostError> {
    let assume = Assumptions::load()?;
    let mut setups = vec![
        ("naive".to_owned(), Setup::naive()),
        ("template default".to_owned(), Setup::template_default()),
        ("preset production".to_owned(), Setup::production()),
    ];
    for (how, tracking) in [("full", Tracking::Full), ("lean", Tracking::Lean)] {
        for (kept, retained) in [("retained", true), ("not retained", false)] {
            for bulk in [1, 25, 100] {
                let sent = if bulk == 1 { "one POST".to_owned() } else { format!("bulk {bulk}") };
                setups.push((
                    format!("{sent}, {how}, {kept}"),
                    Setup::steady(tracking, retained, bulk),
                ));
            }
        }
    }
    for (kept, retained) in [("retained", true), ("not retained", false)] {
        for kilobytes in [16, 64, 200] {
            let bulk = if kilobytes < 100 { 25 } else { 10 };
            let setup = Setup::steady(Tracking::Lean, retained, bulk).with_body(kilobytes * 1024);
            setups.push((format!("bulk {bulk}, lean, {kept}, {kilobytes} KB"), setup));
        }
        setups.push((
            format!("one POST, full, {kept}, 16 KB"),
            Setup::steady(Tracking::Full, retained, 1).with_body(16 * 1024),
        ));
    }
    let naive = Setup { retained: true, ..Setup::naive() };
    setups.push(("naive, body in the item, 16 KB".to_owned(), naive.with_body(16 * 1024)));
    for (door, front_door) in [
        ("REST API", FrontDoor::RestApi),
        ("function URL", FrontDoor::FunctionUrl),
        ("load balancer", FrontDoor::LoadBalancer),
    ] {
        let setup = Setup { front_door, ..Setup::steady(Tracking::Lean, false, 1) };
        setups.push((format!("one POST, lean, not retained, {door}"), setup));
    }
    setups.into_iter().map(|(name, setup)| Profile::computed(&name, setup, &assume)).collect()
}

/// Prices `profiles`. Put what was counted after what was computed: bars take the last that fits.
///
/// # Errors
/// `CostError` if one of the crate's files is not what it has to be.
pub fn report(profiles: &[Profile]) -> Result<Report, CostError> {
    let assumptions = Assumptions::load()?;
    let prices = PriceList::load()?;
    let rows = profiles
        .iter()
        .map(|profile| {
            let bill = |pricing| {
                Bill::of(&profile.units, &profile.setup, pricing, &prices.prices, &assumptions)
            };
            let levers = levers(&profile.setup, &prices.prices, &assumptions)?;
            let (on_demand, provisioned) = (bill(Pricing::OnDemand), bill(provisioned()));
            Ok(Row { profile: profile.clone(), on_demand, provisioned, levers })
        })
        .collect::<Result<Vec<Row>, CostError>>()?;
    let bars = bars(&rows);
    let fixed = fixed(&prices.prices, &assumptions);
    Ok(Report { rows, bars, peers: prices.peers.clone(), fixed, assumptions, prices })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Dollars a million messages, {}, bodies of 1 KB unless said otherwise, list prices, modelled; storage for the time of retention apart.\n",
            self.prices.region
        )?;
        writeln!(
            f,
            "| setup | on demand | provisioned | storage | dominates (on demand) |\n|---|---|---|---|---|"
        )?;
        for row in &self.rows {
            let Row { profile, on_demand, provisioned, .. } = row;
            let counted = if profile.counted.is_empty() { "" } else { " (counted)" };
            let largest: Vec<String> = on_demand
                .largest(DOMINANT)
                .iter()
                .map(|(item, dollars)| format!("{item} {dollars:.2}"))
                .collect();
            writeln!(
                f,
                "| {}{counted} | {:.2} | {:.2} | {:.2} | {} |",
                profile.name,
                on_demand.flow(),
                provisioned.flow(),
                on_demand.item(Item::Storage),
                largest.join(", ")
            )?;
        }
        self.write_bars(f)?;
        self.write_changes(f)?;
        self.write_fixed(f)?;
        self.write_peers(f)
    }
}

impl Report {
    fn write_bars(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nBars at 1 KB, without storage:\n\n| what | bar | now | holds |\n|---|---|---|---|"
        )?;
        for bar in &self.bars {
            let holds = if bar.holds { "yes" } else { "no" };
            writeln!(f, "| {} | {:.2} | {:.2} | {holds} |", bar.name, bar.limit, bar.now)?;
        }
        Ok(())
    }

    fn write_changes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nWhat to change, and what it saves (table on demand, storage included; savings do not add up):\n"
        )?;
        writeln!(f, "| setup | saves most |\n|---|---|")?;
        for row in &self.rows {
            let changes: Vec<String> = row
                .levers
                .iter()
                .take(CHANGES)
                .map(|lever| format!("{} {:.2}", lever.change, lever.saves))
                .collect();
            writeln!(f, "| {} | {} |", row.profile.name, changes.join(", "))?;
        }
        Ok(())
    }

    fn write_fixed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nPaid by the month, messages or not:\n\n| what | $ a month |\n|---|---|")?;
        for fixed in &self.fixed {
            writeln!(f, "| {} | {:.2} |", fixed.what, fixed.dollars)?;
        }
        Ok(())
    }

    fn write_peers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nWhat others ask for a million deliveries:\n\n| service | $ a million | for | source | date |\n|---|---|---|---|---|"
        )?;
        for peer in &self.peers {
            let unverified = if peer.verified { "" } else { " (not verified)" };
            let dollars = if peer.dollars_to > peer.dollars_from {
                format!("{:.2} to {:.2}", peer.dollars_from, peer.dollars_to)
            } else {
                format!("{:.2}", peer.dollars_from)
            };
            writeln!(
                f,
                "| {} | {dollars} | {} | {}{unverified} | {} |",
                peer.name, peer.what, peer.source, peer.date
            )?;
        }
        Ok(())
    }

    /// One row item by item, as a table.
    pub fn itemised(&self, name: &str) -> Option<String> {
        let row = self.rows.iter().rev().find(|row| row.profile.name == name)?;
        let mut text = format!("{name}:\n\n| item | on demand | provisioned |\n|---|---|---|\n");
        for ((item, on_demand), (_, provisioned)) in
            row.on_demand.lines.iter().zip(&row.provisioned.lines)
        {
            if *on_demand >= 0.005 {
                text.push_str(&format!("| {item} | {on_demand:.2} | {provisioned:.2} |\n"));
            }
        }
        Some(text)
    }
}
