"""What makes a text worth learning from: measures of a batch, and rules with limits on them.

`measures` computes, `rules` judges, `presets/` holds the rules of each paper, one file each, and
`account` says what every rule did. The cleaning step is `danlu.data.steps.quality`.
"""
