"""Steps that compare documents of all portions, one file each; see `danlu.data.rows.Comparison`."""
