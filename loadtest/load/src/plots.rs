//! The plots, as SVG text: rates over time, latencies over time, and latency by percentile.
//!
//! Only drawing; what is drawn is in the report as numbers too.

use plotters::coord::Shift;
use plotters::prelude::*;
use std::ops::Range;

use crate::latency::Summary;
use crate::report::Report;
use crate::watch::Point;

/// Width and height of a plot; the page scales it.
const SIZE: (u32, u32) = (900, 300);
/// Room for the labels of the axes.
const LABELS: (u32, u32) = (64, 36);
const FONT: (&str, u32) = ("sans-serif", 13);
/// Least latency that is drawn, in milliseconds: axes are logarithmic and have no zero.
const MILLISECONDS_MIN: f64 = 0.1;
/// Highest percentile that has a place on the axis: what is left out there is one in ten thousand.
const PERCENT_MAX: f64 = 99.99;

const GREY: RGBColor = RGBColor(150, 150, 150);
const BLUE: RGBColor = RGBColor(31, 100, 180);
const GREEN: RGBColor = RGBColor(30, 140, 80);
const ORANGE: RGBColor = RGBColor(215, 110, 20);
const RED: RGBColor = RGBColor(190, 40, 60);

/// A plot could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("a plot cannot be drawn: {0}")]
pub(crate) struct PlotError(String);

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for PlotError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self(error.to_string())
    }
}

/// The box that names the lines; a macro because the type of a chart names its axes.
macro_rules! legend {
    ($chart:expr, $position:expr) => {
        $chart
            .configure_series_labels()
            .position($position)
            .background_style(WHITE.mix(0.8))
            .border_style(GREY.mix(0.5))
            .label_font(FONT)
            .draw()?
    };
}

/// A line: what it is called, its colour and its points. A gap is no point.
struct Line {
    name: &'static str,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

impl Line {
    fn of(name: &'static str, color: RGBColor, points: impl Iterator<Item = (f64, f64)>) -> Self {
        Self { name, color, points: points.collect() }
    }
}

/// Messages a second over time.
///
/// # Errors
/// When it cannot be drawn.
pub(crate) fn rates(report: &Report) -> Result<String, PlotError> {
    let over_time = |of: fn(&Point) -> f64| {
        report.series.iter().map(move |point| (point.at_seconds, of(point)))
    };
    let mut lines = vec![
        Line::of("offered", GREY, over_time(|point| point.offered)),
        Line::of("accepted", BLUE, over_time(|point| point.accepted)),
    ];
    if report.counts.delivery.is_some() {
        lines.push(Line::of("delivered", GREEN, over_time(|point| point.delivered)));
    }
    let highest = highest(&lines, 1.0) * 1.1;
    drawn(|area| {
        let mut chart = chart(&area).build_cartesian_2d(seconds(report), 0.0..highest)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(GREY.mix(0.3))
            .label_style(FONT)
            .x_desc("seconds")
            .y_desc("messages a second")
            .draw()?;
        for line in &lines {
            let color = line.color;
            let series = LineSeries::new(line.points.iter().copied(), color.stroke_width(2));
            chart.draw_series(series)?.label(line.name).legend(move |place| mark(place, color));
        }
        legend!(chart, SeriesLabelPosition::LowerLeft);
        Ok(())
    })
}

/// Latency over time, of what was accepted or arrived at that time.
///
/// # Errors
/// When it cannot be drawn.
pub(crate) fn latencies(report: &Report) -> Result<String, PlotError> {
    let over_time = |of: fn(&Point) -> Option<f64>| {
        report.series.iter().filter_map(move |point| Some((point.at_seconds, of(point)?)))
    };
    let mut lines = vec![
        Line::of("accept p50", BLUE, over_time(|point| Some(point.accept_ms?.0))),
        Line::of("accept p99", RED, over_time(|point| Some(point.accept_ms?.1))),
    ];
    if report.counts.delivery.is_some() {
        lines.push(Line::of(
            "end to end p50",
            GREEN,
            over_time(|point| Some(point.end_to_end_ms?.0)),
        ));
        lines.push(Line::of(
            "end to end p99",
            ORANGE,
            over_time(|point| Some(point.end_to_end_ms?.1)),
        ));
    }
    logarithmic(seconds(report), "seconds", &lines, &tenths)
}

/// Latency by percentile, the rarest on the right: each step to the right leaves out a tenth of the one before.
///
/// # Errors
/// When it cannot be drawn.
pub(crate) fn percentiles(report: &Report) -> Result<String, PlotError> {
    let curve = |summary: &Summary| {
        let places = summary.curve.iter().map(|(percent, value)| (nines(*percent), *value));
        places.collect::<Vec<_>>().into_iter()
    };
    let mut lines = vec![Line::of("accept", BLUE, curve(&report.latency_ms.accept))];
    for (name, color, summary) in [
        ("end to end", GREEN, &report.latency_ms.end_to_end),
        ("end to end, slow target", ORANGE, &report.latency_ms.end_to_end_slow),
        ("lag of the generator", GREY, &report.latency_ms.lag),
    ] {
        if summary.count > 0 {
            lines.push(Line::of(name, color, curve(summary)));
        }
    }
    let label = |place: &f64| {
        let percent = 100.0 - 100.0 * 10f64.powf(-place);
        format!("{} %", (percent * 100.0).round() / 100.0)
    };
    logarithmic(0.0..nines(PERCENT_MAX), "percentile", &lines, &label)
}

/// How many nines a percentile has: 0 for 0 %, 1 for 90 %, 2 for 99 %. The last is as far as the axis goes.
fn nines(percent: f64) -> f64 {
    -(1.0 - percent.min(PERCENT_MAX) / 100.0).log10()
}

fn logarithmic(
    across: Range<f64>,
    name: &str,
    lines: &[Line],
    label: &dyn Fn(&f64) -> String,
) -> Result<String, PlotError> {
    let values = lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value);
    let lowest = values.fold(1.0, f64::min).max(MILLISECONDS_MIN);
    let highest = highest(lines, 10.0) * 1.3;
    drawn(|area| {
        let up = (lowest..highest).log_scale();
        let mut chart = chart(&area).build_cartesian_2d(across.clone(), up)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(GREY.mix(0.3))
            .label_style(FONT)
            .x_desc(name)
            .y_desc("milliseconds")
            .x_labels(if name == "percentile" { 5 } else { 11 })
            .x_label_formatter(label)
            .y_label_formatter(&tenths)
            .draw()?;
        for line in lines {
            let color = line.color;
            let points = line.points.iter().map(|(at, value)| (*at, value.max(lowest)));
            chart
                .draw_series(LineSeries::new(points, color.stroke_width(2)))?
                .label(line.name)
                .legend(move |place| mark(place, color));
        }
        legend!(chart, SeriesLabelPosition::LowerRight);
        Ok(())
    })
}

type Area<'text> = DrawingArea<SVGBackend<'text>, Shift>;

fn drawn(draw: impl Fn(Area<'_>) -> Result<(), PlotError>) -> Result<String, PlotError> {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    draw(area.clone())?;
    area.present()?;
    drop(area);
    Ok(text)
}

fn chart<'area, 'text>(area: &'area Area<'text>) -> ChartBuilder<'area, 'text, SVGBackend<'text>> {
    let mut chart = ChartBuilder::on(area);
    chart.margin(12).y_label_area_size(LABELS.0).x_label_area_size(LABELS.1);
    chart
}

fn mark((x, y): (i32, i32), color: RGBColor) -> PathElement<(i32, i32)> {
    PathElement::new(vec![(x, y), (x + 18, y)], color.stroke_width(2))
}

/// A number with no more digits than it needs, and at most one behind the point.
fn tenths(value: &f64) -> String {
    format!("{}", (value * 10.0).round() / 10.0)
}

fn seconds(report: &Report) -> Range<f64> {
    0.0..report.series.last().map_or(1.0, |point| point.at_seconds)
}

fn highest(lines: &[Line], least: f64) -> f64 {
    lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value).fold(least, f64::max)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_nine_more_is_a_step() {
        for (percent, expected) in [(0.0, 0.0), (90.0, 1.0), (99.0, 2.0), (99.9, 3.0), (100.0, 4.0)]
        {
            assert!((nines(percent) - expected).abs() < 1e-9, "{percent}");
        }
    }

    #[test]
    fn a_run_without_a_single_answer_has_plots_too() {
        for plot in [rates, latencies, percentiles] {
            let svg = plot(&Report::default()).unwrap();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
        }
    }
}
