"""How a model gets onto the endpoint: started beside the old one, asked, given traffic."""
