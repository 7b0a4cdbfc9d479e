//! Pictures as SVG: lines over two axes, and bars.

use std::fmt::Write as _;

/// Lines over two axes.
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
    /// A vertical line with its label.
    pub(crate) mark: Option<(f64, String)>,
}

/// What an axis shows.
pub(crate) struct Axis {
    pub(crate) title: String,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
    pub(crate) scale: Scale,
}

/// How numbers lie along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Linear,
    Logarithmic,
}

/// One line of a chart.
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Bars in groups: one group a label, one bar a series.
pub(crate) struct Bars {
    pub(crate) title: String,
    pub(crate) series: Vec<String>,
    pub(crate) groups: Vec<(String, Vec<Option<f64>>)>,
}

impl Axis {
    /// From a number to a little more than the greatest one.
    pub(crate) fn from(title: &str, least: f64, numbers: impl Iterator<Item = f64>) -> Self {
        let length = numbers.fold(least, f64::max) - least;
        let length = if length > 0.0 { length * 1.05 } else { 1.0 };
        Self { title: title.into(), least, greatest: least + length, scale: Scale::Linear }
    }

    /// From the least to the greatest number, by powers.
    pub(crate) fn by_powers(title: &str, numbers: impl Iterator<Item = f64> + Clone) -> Self {
        let least = numbers.clone().fold(f64::INFINITY, f64::min);
        let greatest = numbers.fold(0.0, f64::max).max(least * 1.01);
        Self { title: title.into(), least, greatest, scale: Scale::Logarithmic }
    }

    /// Where a number is, from 0 to 1.
    fn place(&self, number: f64) -> f64 {
        let (at, from, to) = match self.scale {
            Scale::Linear => (number, self.least, self.greatest),
            Scale::Logarithmic => (number.ln(), self.least.ln(), self.greatest.ln()),
        };
        ((at - from) / (to - from)).clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let step = round_step((self.greatest - self.least) / 5.0);
                let first = (self.least / step).ceil() as i64;
                let numbers = (first..).map(|n| n as f64 * step);
                numbers.take_while(|tick| *tick <= self.greatest).collect()
            }
            Scale::Logarithmic => {
                let first = self.least.log10().floor() as i32;
                let numbers = (first..).map(|power| 10f64.powi(power));
                let inside = numbers.skip_while(|tick| *tick < self.least * 0.999);
                inside.take_while(|tick| *tick <= self.greatest * 1.001).collect()
            }
        }
    }
}

impl Chart {
    /// The picture.
    pub(crate) fn svg(&self) -> String {
        let mut svg = begin(&self.title);
        for tick in self.y.ticks() {
            let y = y_of(self.y.place(tick));
            grid(&mut svg, (LEFT, y), (RIGHT, y));
            text(&mut svg, (LEFT - 8.0, y + 4.0), "end", &number(tick));
        }
        for tick in self.x.ticks() {
            let x = x_of(self.x.place(tick));
            grid(&mut svg, (x, TOP), (x, BOTTOM));
            text(&mut svg, (x, BOTTOM + 18.0), "middle", &number(tick));
        }
        text(&mut svg, (f64::midpoint(LEFT, RIGHT), BOTTOM + 38.0), "middle", &self.x.title);
        text(&mut svg, (LEFT, TOP - 10.0), "start", &self.y.title);
        if let Some((at, label)) = &self.mark {
            let x = x_of(self.x.place(*at));
            let _ = writeln!(
                svg,
                "<path d=\"M{x:.1} {TOP}V{BOTTOM}\" stroke=\"#555\" stroke-dasharray=\"5 4\"/>"
            );
            text(&mut svg, (x - 5.0, TOP + 14.0), "end", label);
        }
        for (line, color) in self.lines.iter().zip(COLORS.iter().cycle()) {
            let places = line.points.iter().map(|(x, y)| {
                format!("{:.1} {:.1}", x_of(self.x.place(*x)), y_of(self.y.place(*y)))
            });
            let path = places.collect::<Vec<_>>().join("L");
            let _ = writeln!(
                svg,
                "<path d=\"M{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>"
            );
        }
        legend(&mut svg, self.lines.iter().map(|line| line.label.as_str()));
        svg + "</svg>\n"
    }
}

impl Bars {
    /// The picture.
    pub(crate) fn svg(&self) -> String {
        let mut svg = begin(&self.title);
        let all = self.groups.iter().flat_map(|(_, bars)| bars).flatten().copied();
        let y = Axis::from("", 0.0, all);
        for tick in y.ticks() {
            let at = y_of(y.place(tick));
            grid(&mut svg, (LEFT, at), (RIGHT, at));
            text(&mut svg, (LEFT - 8.0, at + 4.0), "end", &number(tick));
        }
        let group_width = (RIGHT - LEFT) / self.groups.len() as f64;
        let bar_width = group_width * 0.8 / self.series.len() as f64;
        for (index, (label, bars)) in self.groups.iter().enumerate() {
            let left = LEFT + group_width * (index as f64 + 0.1);
            for ((bar, value), color) in bars.iter().enumerate().zip(COLORS) {
                let Some(value) = value else { continue };
                let (x, top) = (left + bar_width * bar as f64, y_of(y.place(*value)));
                let (width, height) = (bar_width - 2.0, BOTTOM - top);
                let _ = writeln!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
                     height=\"{height:.1}\" fill=\"{color}\"/>"
                );
                text(&mut svg, (x + width / 2.0, top - 4.0), "middle", &number(*value));
            }
            text(&mut svg, (left + group_width * 0.4, BOTTOM + 18.0), "middle", label);
        }
        legend(&mut svg, self.series.iter().map(String::as_str));
        svg + "</svg>\n"
    }
}

fn begin(title: &str) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"24\" font-size=\"15\" font-weight=\"bold\">{}</text>",
        escaped(title)
    );
    svg
}

fn grid(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(svg, "<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"#ddd\"/>");
}

fn text(svg: &mut String, at: (f64, f64), anchor: &str, text: &str) {
    let (x, y) = at;
    let text = escaped(text);
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}

fn legend<'a>(svg: &mut String, labels: impl Iterator<Item = &'a str>) {
    for ((row, label), color) in labels.enumerate().zip(COLORS.iter().cycle()) {
        let y = TOP + 20.0 * row as f64;
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"14\" height=\"4\" fill=\"{color}\"/>",
            RIGHT + 14.0,
            y + 2.0
        );
        text(svg, (RIGHT + 34.0, y + 8.0), "start", label);
    }
}

fn x_of(place: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * place
}

fn y_of(place: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * place
}

/// The next number of the form 1, 2 or 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= step);
    factor.unwrap_or(10.0) * power
}

/// A number as short as a label needs it.
fn number(value: f64) -> String {
    let text = match value.abs() {
        large if large >= 1e6 => return format!("{}M", number(value / 1e6)),
        large if large >= 1e4 => return format!("{}k", number(value / 1e3)),
        large if large >= 100.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 660.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 345.0;
/// Told apart by people who don't see all colours too (Okabe and Ito).
const COLORS: [&str; 8] =
    ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_within_the_axis() {
        let axis = Axis::from("s", 0.0, [8.4].into_iter());
        assert_eq!(axis.ticks(), [0.0, 2.0, 4.0, 6.0, 8.0]);
        let axis = Axis::from("ratio", 1.0, [1.15].into_iter());
        let shown: Vec<_> = axis.ticks().into_iter().map(number).collect();
        assert_eq!(shown, ["1", "1.05", "1.1", "1.15"]);
        let axis = Axis::by_powers("peers", [10.0, 10_000.0].into_iter());
        assert_eq!(axis.ticks(), [10.0, 100.0, 1_000.0, 10_000.0]);
    }

    #[test]
    fn labels_are_short() {
        let shown = [0.0, 0.25, 1.0, 12.5, 250.0, 12_000.0, 2_500_000.0].map(number);
        assert_eq!(shown, ["0", "0.25", "1", "12.5", "250", "12k", "2.5M"]);
    }
}
