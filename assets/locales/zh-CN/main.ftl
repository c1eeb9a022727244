notice-footer = x
