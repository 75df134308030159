"""The engine of every stack on Azure: the Pulumi command line, and what killed runs leave."""
