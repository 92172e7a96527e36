//! The charts of the page, drawn by plotters as SVG. Colours are names here: the page's style
//! sheet gives each another value where it is dark. Each chart is drawn twice, for a desk and for
//! a phone, because the letters of one that is only scaled can't be read on the other.

use std::ops::Range;
use std::time::Duration;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::lang::Lang;
use crate::report::timeline::{Slice, Timeline, latency_bound};

/// Answers: the service holds the values.
const ACCEPTED: RGBColor = RGBColor(0x2F, 0x6F, 0xDE);
/// Answers: the row is refused.
const REFUSED: RGBColor = RGBColor(0x8A, 0x5C, 0xD6);
/// Answers: over the quota.
const THROTTLED: RGBColor = RGBColor(0xE0, 0xA1, 0x00);
/// No answer, or one that may pass.
const FAILED: RGBColor = RGBColor(0xD6, 0x45, 0x45);
/// Behind it all while the service failed for everybody.
const OUTAGE: RGBColor = RGBColor(0xF6, 0xDC, 0xDC);
/// The line of the pace: what is allowed, and less where the service refused calls.
const QUOTA: RGBColor = RGBColor(0x5A, 0x64, 0x72);
const GRID: RGBColor = RGBColor(0xE3, 0xE6, 0xEA);

/// Where a chart is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Screen {
    /// With room for many labels.
    Wide,
    /// A phone.
    Narrow,
}

impl Screen {
    fn size(self) -> (u32, u32) {
        match self {
            Self::Wide => (960, 260),
            Self::Narrow => (360, 220),
        }
    }

    fn labels(self) -> usize {
        match self {
            Self::Wide => 10,
            Self::Narrow => 4,
        }
    }
}

/// What plotters says when it can't draw; into memory it can.
type Drawn<T = ()> = Result<T, DrawingAreaErrorKind<std::io::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Answers per second over time, against the `rate` that was allowed.
pub(super) fn throughput(timeline: &Timeline, rate: f64, screen: Screen, lang: Lang) -> String {
    svg(screen, |area| {
        draw_throughput(timeline, rate, screen, lang, area)
    })
}

/// How many answers took how long.
pub(super) fn latency(timeline: &Timeline, screen: Screen, lang: Lang) -> String {
    svg(screen, |area| draw_latency(timeline, screen, lang, area))
}

fn svg(screen: Screen, draw: impl FnOnce(&Area<'_>) -> Drawn) -> String {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, screen.size()).into_drawing_area();
        draw(&area).expect("memory takes every line");
        area.present().expect("memory takes the last one");
    }
    svg
}

/// An axis with labels where people would put them; plotters counts in powers of ten.
struct Axis {
    range: RangedCoordf64,
    labels: Vec<f64>,
    say: fn(f64, Lang) -> String,
    lang: Lang,
}

impl Axis {
    fn new(range: Range<f64>, labels: Vec<f64>, say: fn(f64, Lang) -> String, lang: Lang) -> Self {
        Self {
            range: range.into(),
            labels,
            say,
            lang,
        }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.range.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.labels.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.range()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        (self.say)(*value, self.lang)
    }
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, RangedCoordf64>>;

fn frame<'a, 'b>(area: &'a Area<'b>, axis: Axis, top: f64) -> Drawn<Chart<'a, 'b>> {
    ChartBuilder::on(area)
        .margin(10)
        .margin_right(26)
        .x_label_area_size(28)
        .y_label_area_size(44)
        .build_cartesian_2d(axis, 0.0..top)
}

fn draw_grid(chart: &mut Chart<'_, '_>, lang: Lang) -> Drawn {
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(GRID)
        .y_labels(5)
        .label_style(("sans-serif", 12))
        .y_label_formatter(&|number| plain(*number, lang))
        .draw()
}

fn draw_throughput(
    timeline: &Timeline,
    rate: f64,
    screen: Screen,
    lang: Lang,
    area: &Area<'_>,
) -> Drawn {
    let slice_s = timeline.slice_s as f64;
    let stacks: Vec<[f64; 4]> = timeline
        .slices
        .iter()
        .map(|slice| stack(slice, slice_s))
        .collect();
    let peak = stacks.iter().map(|stack| stack[3]).fold(0.0, f64::max);
    // Of a killed run nobody knows it.
    let shows_rate = rate > 0.0;
    let top = if shows_rate {
        peak.max(rate)
    } else {
        peak.max(1.0)
    } * 1.15;
    let end = slice_s * stacks.len().max(1) as f64;
    let step = time_step(end, screen.labels());
    let ticks: Vec<f64> = (0..)
        .map(|n| n as f64 * step)
        .take_while(|at| *at <= end)
        .collect();
    let mut chart = frame(area, Axis::new(0.0..end, ticks, time, lang), top)?;
    let bar = |n: usize, from: f64, to: f64, colour: RGBColor| {
        let (left, right) = (n as f64 * slice_s, (n + 1) as f64 * slice_s);
        Rectangle::new([(left, from), (right, to)], colour.filled())
    };
    let bands = outages(timeline).into_iter();
    chart.draw_series(
        bands.map(|band| Rectangle::new([(band.start, 0.0), (band.end, top)], OUTAGE.filled())),
    )?;
    draw_grid(&mut chart, lang)?;
    for (level, colour) in [ACCEPTED, REFUSED, THROTTLED, FAILED]
        .into_iter()
        .enumerate()
    {
        let bars = stacks.iter().enumerate().map(|(n, stack)| {
            let from = level.checked_sub(1).map_or(0.0, |below| stack[below]);
            (n, from, stack[level])
        });
        let bars = bars.filter(|(_, from, to)| to > from);
        chart.draw_series(bars.map(|(n, from, to)| bar(n, from, to, colour)))?;
    }
    if shows_rate {
        let line = PathElement::new(pace(timeline, rate), QUOTA.stroke_width(2));
        chart.draw_series([line])?;
    }
    Ok(())
}

/// The pace that was allowed, as a line of steps.
fn pace(timeline: &Timeline, rate: f64) -> Vec<(f64, f64)> {
    let mut pace = rate;
    let steps = timeline.slices.iter().enumerate().flat_map(|(n, slice)| {
        pace = slice.pace.unwrap_or(pace);
        [n, n + 1].map(|at| (at as f64 * timeline.slice_s as f64, pace))
    });
    steps.collect()
}

/// Seconds during which the service failed for everybody, slice by slice. A slice knows how long
/// that was, its neighbours when: what began in it lasts until its end if the next one goes on.
fn outages(timeline: &Timeline) -> Vec<Range<f64>> {
    let slice_s = timeline.slice_s as f64;
    let lasted = |n: usize| {
        let slice = timeline.slices.get(n);
        slice.map_or(0.0, |slice| (slice.outage_ms as f64 / 1000.0).min(slice_s))
    };
    let with_outage = (0..timeline.slices.len()).filter(|n| lasted(*n) > 0.0);
    let bands = with_outage.map(|n| {
        let (start, end) = (n as f64 * slice_s, (n + 1) as f64 * slice_s);
        let goes_on = n.checked_sub(1).is_some_and(|before| lasted(before) > 0.0);
        match !goes_on && lasted(n + 1) > 0.0 {
            true => end - lasted(n)..end,
            false => start..start + lasted(n),
        }
    });
    bands.collect()
}

/// Answers per second, by kind, each on top of those before it.
fn stack(slice: &Slice, slice_s: f64) -> [f64; 4] {
    let mut level = 0;
    [slice.accepted, slice.refused, slice.throttled, slice.failed].map(|answers| {
        level += answers;
        level as f64 / slice_s
    })
}

fn draw_latency(timeline: &Timeline, screen: Screen, lang: Lang, area: &Area<'_>) -> Drawn {
    let mut counts = timeline.latency.clone();
    // Below the first bound there is no axis: such answers are drawn above it.
    if let [below, first, ..] = &mut counts[..] {
        *first += std::mem::take(below);
    }
    let first = counts.iter().position(|n| *n > 0).unwrap_or(0);
    let last = counts.iter().rposition(|n| *n > 0).unwrap_or(0);
    // Some room at both ends, so that even a single bar is seen as one of many.
    let (from, to) = (first.saturating_sub(6) as f64, (last + 6) as f64);
    let top = counts.iter().copied().max().unwrap_or(0).max(1) as f64 * 1.1;
    // The bounds that are 1, 2 or 5 of a power of ten, near enough.
    let is_round = |n: &usize| [0, 6, 14].contains(&(n % 20));
    let mut ticks: Vec<f64> = (from as usize..=to as usize)
        .filter(is_round)
        .map(|n| n as f64)
        .collect();
    while ticks.len() > screen.labels() {
        ticks = ticks.into_iter().step_by(2).collect();
    }
    let say = |n, lang| millis(one_digit(latency_bound(n as usize)), lang);
    let axis = Axis::new(from..to, ticks, say, lang);
    let mut chart = frame(area, axis, top)?;
    draw_grid(&mut chart, lang)?;
    let bars = counts.iter().enumerate().filter(|(_, n)| **n > 0);
    chart.draw_series(bars.map(|(at, n)| {
        // What `latency[at]` counts lies below its bound.
        let corners = [(at as f64 - 1.0, 0.0), (at as f64, *n as f64)];
        Rectangle::new(corners, ACCEPTED.filled())
    }))?;
    Ok(())
}

/// From label to label: a length of time that people count in.
fn time_step(end: f64, labels: usize) -> f64 {
    const STEPS: [u32; 17] = [
        1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200,
    ];
    let fits = STEPS.iter().map(|step| f64::from(*step));
    let mut fits = fits.filter(|step| end / step <= labels as f64);
    fits.next()
        .unwrap_or((end / labels as f64 / 86_400.0).ceil() * 86_400.0)
}

pub(super) fn time(seconds: f64, lang: Lang) -> String {
    match seconds {
        0.0 => "0".into(),
        1.0..60.0 => lang.seconds(seconds),
        seconds => lang.duration(Duration::from_secs_f64(seconds)),
    }
}

/// A number without digits that say nothing.
fn plain(number: f64, lang: Lang) -> String {
    if number >= 10_000.0 {
        lang.thousand((number / 100.0).round() / 10.0)
    } else {
        format!("{}", (number * 100.0).round() / 100.0)
    }
}

/// `501` as `500`.
fn one_digit(number: f64) -> f64 {
    let unit = 10_f64.powf(number.log10().floor());
    (number / unit).round() * unit
}

/// Milliseconds as a person says them, two digits and no more.
pub(super) fn millis(ms: f64, lang: Lang) -> String {
    let two_digits = |number: f64| match number {
        ..9.95 => (number * 10.0).round() / 10.0,
        number => number.round(),
    };
    match ms {
        ..1000.0 => lang.milliseconds(two_digits(ms)),
        ms => lang.seconds(two_digits(ms / 1000.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lasts_no_longer_than_it_did() {
        let mut timeline = Timeline::default();
        timeline.slice_s = 10;
        for outage_ms in [0, 2_000, 10_000, 3_500, 0, 1_000] {
            timeline.slices.push(Slice {
                outage_ms,
                ..Slice::default()
            });
        }
        let bands = outages(&timeline);
        assert_eq!(bands, [18.0..20.0, 20.0..30.0, 30.0..33.5, 50.0..51.0]);
    }

    #[test]
    fn the_limit_is_drawn_however_far_above_it_lies() {
        let mut timeline = Timeline::default();
        timeline.slices.push(Slice::default());
        for (rate, is_drawn) in [(0.0, false), (20.0, true), (1_000_000.0, true)] {
            let chart = throughput(&timeline, rate, Screen::Wide, Lang::En);
            assert_eq!(chart.contains("stroke=\"#5A6472\""), is_drawn, "{rate}");
        }
    }

    #[test]
    fn answers_below_the_axis_are_drawn_on_it() {
        let mut at_once = Timeline::default();
        at_once.latency[0] = 3;
        let mut soon = Timeline::default();
        soon.latency[1] = 3;
        let [at_once, soon] = [at_once, soon].map(|of| latency(&of, Screen::Wide, Lang::En));
        assert_eq!(at_once, soon);
    }

    #[test]
    fn labels_are_what_people_count_in_and_few() {
        for (end, labels, step) in [
            (1.0, 10, 1.0),
            (10.0, 10, 1.0),
            (11.0, 10, 2.0),
            (1867.0, 4, 600.0),
            (50_400.0, 10, 7200.0),
            (900_000.0, 4, 259_200.0),
        ] {
            assert_eq!(time_step(end, labels), step, "{end} {labels}");
        }
        let told = [0.0, 5.0, 90.0, 7200.0].map(|seconds| time(seconds, Lang::En));
        assert_eq!(told, ["0", "5 s", "1 min 30 s", "2 h"]);
        let told = [0.1, 1.0, 1.996, 4.98, 50.1, 501.0, 5011.0, 60_000.0]
            .map(|ms| millis(one_digit(ms), Lang::En));
        assert_eq!(
            told,
            [
                "0.1 ms", "1 ms", "2 ms", "5 ms", "50 ms", "500 ms", "5 s", "60 s"
            ]
        );
    }
}
