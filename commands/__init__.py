"""One module per noun: parse, call, render. The only place that joins the four parts below."""
