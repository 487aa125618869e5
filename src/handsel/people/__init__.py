"""Who people are to each other and to the house: members, messages, credit, trust."""
