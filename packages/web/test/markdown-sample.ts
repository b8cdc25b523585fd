/** Of everything a little, as a model writes it. */
export const MARKDOWN = `## What you asked

Some **bold**, *italic*, ~~gone~~ and \`inline code\`, with a [link](https://example.com/docs) and a price: $148 → $19. A formula: $e^{i\\pi} + 1 = 0$.

1. First, with a nested list:
   - one
   - two

     a second paragraph
2. Second
3. Third

- [x] done
- [ ] to do

> A quotation, which goes on for a while so that it wraps onto a second line in the column, and is still one quotation.

### A table

| Name | Price | What it is for |
|:-----|------:|----------------|
| Small | $5 | One person, one project, and \`nothing\` else |
| Large | $50 | Everybody who needs more than that, and has the budget |

\`\`\`python
class Greeter:
    """Says hello."""

    def __init__(self, name: str = "world") -> None:
        self.name = name  # who

    def greet(self, times=3):
        return [f"Hello, {self.name}! {n}" for n in range(times) if n != 1e3]
\`\`\`

$$\\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2}$$

\`\`\`
$ npm start
Ready in 512 ms, with a line that is much longer than the column is wide so that it has to scroll sideways
\`\`\`

![A cat](https://example.com/cat.png)

<details>HTML is text</details>

---

The end. averyveryveryveryveryveryveryveryveryveryveryveryveryveryveryveryveryveryverylongwordwithoutaspace
`;
