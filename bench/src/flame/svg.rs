//! Counted stacks as a flame graph: a box for each function that is as wide as its share of the samples and stands on
//! its caller.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::fold::Stacks;

/// Width of the drawing, in pixels.
const WIDTH: f64 = 1200.0;

/// Height of a box.
const HEIGHT: f64 = 17.0;

/// Room above the boxes, for the title.
const TOP: f64 = 30.0;

/// Width of a letter of the labels.
const LETTER: f64 = 6.6;

/// Boxes that are narrower than this are left out.
const NARROWEST: f64 = 0.3;

/// A function below its caller, with the samples in it and in what it calls.
#[derive(Default)]
struct Frame {
    samples: u64,
    calls: BTreeMap<String, Self>,
}

/// Returns an SVG without scripts; a tooltip tells the whole name and the share.
pub(crate) fn draw(title: &str, stacks: &Stacks) -> String {
    let root = tree(stacks);
    let height = (depth(&root) as f64).mul_add(HEIGHT, TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"monospace\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"4\" y=\"18\" font-size=\"13\">{}; {} samples</text>\n",
        escaped(title),
        root.samples,
    );
    let mut drawing = Drawing { svg: &mut svg, bottom: height, all: root.samples.max(1) };
    drawing.callees(&root, 0.0, 0);
    svg + "</svg>\n"
}

fn tree(stacks: &Stacks) -> Frame {
    let mut root = Frame::default();
    for (stack, samples) in stacks {
        root.samples += samples;
        let mut frame = &mut root;
        for name in stack {
            frame = frame.calls.entry(name.clone()).or_default();
            frame.samples += samples;
        }
    }
    root
}

fn depth(frame: &Frame) -> usize {
    frame.calls.values().map(|call| 1 + depth(call)).max().unwrap_or(0)
}

struct Drawing<'a> {
    svg: &'a mut String,
    bottom: f64,
    /// All samples, which are as wide as the drawing.
    all: u64,
}

impl Drawing<'_> {
    fn callees(&mut self, frame: &Frame, mut x: f64, level: u32) {
        for (name, call) in &frame.calls {
            let width = call.samples as f64 / self.all as f64 * WIDTH;
            if width >= NARROWEST {
                self.frame(name, call, x, width, level);
                self.callees(call, x, level + 1);
            }
            x += width;
        }
    }

    fn frame(&mut self, name: &str, frame: &Frame, x: f64, width: f64, level: u32) {
        let y = self.bottom - (f64::from(level) + 1.0) * HEIGHT;
        let percent = frame.samples as f64 / self.all as f64 * 100.0;
        let _ = write!(
            self.svg,
            "<g><title>{} ({percent:.1} %, {} samples)</title><rect x=\"{x:.1}\" y=\"{y:.0}\" width=\"{width:.1}\" \
             height=\"{:.0}\" fill=\"{}\"/>",
            escaped(name),
            frame.samples,
            HEIGHT - 1.0,
            colour(name),
        );
        let label = label(name, width);
        if !label.is_empty() {
            let (x, y) = (x + 2.0, y + 12.0);
            let _ = write!(self.svg, "<text x=\"{x:.1}\" y=\"{y:.0}\">{}</text>", escaped(&label));
        }
        *self.svg += "</g>\n";
    }
}

/// Returns as much of a name as fits, or nothing.
fn label(name: &str, width: f64) -> String {
    let letters = name.chars().take_while({
        let mut used = 4.0;
        move |_| {
            used += LETTER;
            used <= width
        }
    });
    let text: String = letters.collect();
    if text.chars().count() < 3 { String::new() } else { text }
}

/// A warm colour that a function keeps from graph to graph.
fn colour(name: &str) -> String {
    let hash = name.bytes().fold(5381_u32, |hash, b| hash.wrapping_mul(33) ^ u32::from(b));
    format!("rgb({},{},{})", 205 + hash % 50, 80 + hash / 50 % 130, 30 + hash / 6500 % 40)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::{draw, label};
    use crate::flame::fold::Stacks;

    #[test]
    fn a_box_is_as_wide_as_its_share() {
        let stack = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let stacks = Stacks::from([
            (stack(&["portolan", "Vec<T>::push"]), 1),
            (stack(&["portolan", "recvmmsg"]), 3),
        ]);
        let svg = draw("a & b", &stacks);
        assert!(svg.contains("a &amp; b; 4 samples"), "{svg}");
        assert!(svg.contains("<title>portolan (100.0 %, 4 samples)</title>"), "{svg}");
        assert!(svg.contains("<title>Vec&lt;T&gt;::push (25.0 %, 1 samples)</title>"), "{svg}");
        assert!(svg.contains("x=\"300.0\" y=\"30\" width=\"900.0\""), "{svg}");
        assert!(svg.contains("viewBox=\"0 0 1200 64\""), "{svg}");
    }

    #[test]
    fn a_label_is_cut_to_its_box() {
        assert_eq!(label("recvmmsg", 30.0), "rec");
        assert_eq!(label("recvmmsg", 20.0), "");
        assert_eq!(label("recvmmsg", 500.0), "recvmmsg");
    }
}
