"""Where questions come from: files of chats, votes, samples of a training, the travel lab."""
